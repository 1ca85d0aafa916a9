"""A local account in a process of its own, as a developer starts it."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import boto3

ROOT: Final = Path(__file__).resolve().parents[2]
LOCAL_PROGRAM: Final = Path(sys.executable).with_name("mfa-guard-local")
_START_SECONDS: Final = 120
_WAIT_SECONDS: Final = 60


@dataclass
class RunningAccount:
    """The account. `lines` is what its terminal shows so far."""

    process: "subprocess.Popen[str]"
    lines: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def endpoint(self) -> str:
        return self.environment["AWS_ENDPOINT_URL"]

    def session(self) -> boto3.Session:
        """Return a session with the credentials that the account prints."""
        given = self.environment
        return boto3.Session(
            given["AWS_ACCESS_KEY_ID"], given["AWS_SECRET_ACCESS_KEY"], region_name=given["AWS_REGION"]
        )

    def wait_for(self, done: Callable[[], object]) -> None:
        """Wait until `done`; fails when it takes too long."""
        end = time.monotonic() + _WAIT_SECONDS
        while not done():
            assert time.monotonic() < end, f"It did not happen. The account's terminal: {self.lines[-30:]}"
            assert self.process.poll() is None, f"The account ended: {self.lines[-30:]}"
            time.sleep(0.05)


@contextmanager
def local_account(*options: str) -> Iterator[RunningAccount]:
    """Run `mfa-guard-local run` with these options on a free port until the end of the block; check how it ends."""
    process = subprocess.Popen(
        [LOCAL_PROGRAM, "run", "--port", "0", "--brief", *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    account = RunningAccount(process)
    ready = threading.Event()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            account.lines.append(line.rstrip("\n"))
            name, equals, value = line.strip().removeprefix("export ").partition("=")
            if line.startswith("  export ") and equals:
                account.environment[name] = value
            if line.startswith("Ctrl-C"):
                ready.set()
        ready.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        assert ready.wait(_START_SECONDS), account.lines
        assert process.poll() is None, account.lines
        yield account
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0, account.lines[-30:]
    finally:
        process.kill()
        process.wait()
        reader.join(5)
        assert process.stdout is not None
        process.stdout.close()
