"""Start a program that ends when its parent does, however that ends: python parent_watch.py PARENT COMMAND...

Runs by path, alone, before the program takes its place.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ask the kernel for the signal, and become the program. Elsewhere than on Linux there is no such signal."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            sys.exit("The parent ended before its child began.")
    os.execvpe(command[0], command, os.environ)  # noqa: S606 - that is what it is for


main()
