"""Start a program that ends when its parent process ends: python parent_watch.py PARENT COMMAND...

It is run by its path, and is then replaced by the program.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ask the kernel to send SIGTERM when the parent ends, then run the program. Only Linux has this signal."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            sys.exit("The parent process ended before its child started.")
    os.execvpe(command[0], command, os.environ)  # noqa: S606 - this is the module's job


main()
