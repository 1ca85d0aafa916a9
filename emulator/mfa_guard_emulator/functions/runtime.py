"""Functions as Lambda runs them: each in a process of its own, with its own environment, role session and timeout.

Lambda's Runtime API: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import json
import os
import platform
import queue
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Final, Protocol
from urllib import error as http_error
from urllib import request as http

from mfa_guard_cli.stack.template import Fields
from mfa_guard_emulator.functions.attempts import Attempt, FunctionError
from mfa_guard_emulator.functions.configuration import FunctionConfiguration

_PREFIX: Final = "/2018-06-01/runtime/"
_POLL_SECONDS: Final = 0.05
_START_SECONDS: Final = 15
# How long after the function's own timeout the Runtime Interface Emulator must have answered.
_GRACE_SECONDS: Final = 5


class NotBuilt(RuntimeError):
    """Something that a runtime needs is missing. The message is one sentence that says how to get it."""


class Runner(Protocol):
    """Runs one function, one event at a time."""

    configuration: FunctionConfiguration

    def start(self) -> None:
        """Start the function's process before its first event, unless it runs."""

    def invoke(self, event: Fields, request_id: str) -> Attempt:
        """Return how one run ended. Never raises for an error of the function."""

    def close(self) -> None:
        """End the function's process."""


@dataclass
class _Log:
    """A function's output, in a file: when the function has answered, all that it printed before is in the file."""

    path: Path
    read: int = 0

    def unread(self) -> str:
        with self.path.open("rb") as file:
            file.seek(self.read)
            text = file.read()
        self.read += len(text)
        return text.decode("utf-8", "replace")


@dataclass(frozen=True)
class _Invocation:
    event: Fields
    request_id: str
    deadline_ms: int
    arn: str
    result: "Future[Attempt]" = field(default_factory=Future)


class _RuntimeApi(ThreadingHTTPServer):
    """Lambda's side of the Runtime API, for one process."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _RuntimeApiHandler)
        self.work: queue.Queue[_Invocation | None] = queue.Queue()
        self.current: _Invocation | None = None
        self.init_error: FunctionError | None = None
        Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Print nothing when the function's process ended: its runner reports that."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _RuntimeApiHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _RuntimeApi

    def do_GET(self) -> None:
        """Answer with the next invocation as soon as there is one."""
        invocation = self.server.work.get()
        if invocation is None:
            self.close_connection = True
            return
        self.server.current = invocation
        self._answer(
            json.dumps(invocation.event).encode(),
            {
                "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
                "Lambda-Runtime-Deadline-Ms": str(invocation.deadline_ms),
                "Lambda-Runtime-Invoked-Function-Arn": invocation.arn,
                "Content-Type": "application/json",
            },
        )

    def do_POST(self) -> None:
        """Take the function's answer or error."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        current = self.server.current
        if self.path == f"{_PREFIX}init/error":
            self.server.init_error = FunctionError.of(json.loads(body or b"{}"))
        elif current and not current.result.done():
            failed = self.path.endswith("/error")
            reported = json.loads(body) if body else None
            ended = Attempt(error=FunctionError.of(reported)) if failed else Attempt(answer=reported)
            # Answer the function first, so that its process is ready when the caller sends the next event.
            self._answer(b"{}", {}, status=202)
            current.result.set_result(ended)
            return
        self._answer(b"{}", {}, status=202)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Print nothing."""

    def _answer(self, body: bytes, headers: Mapping[str, str], status: int = 200) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class SourceRunner:
    """Runs a handler of the working tree under AWS's runtime client, awslambdaric."""

    def __init__(self, configuration: FunctionConfiguration, code: Path) -> None:
        self.configuration = configuration
        self._code = code
        self._process: subprocess.Popen[bytes] | None = None
        self._api: _RuntimeApi | None = None
        # The thread that closes the runner is not the one that waits for the function.
        self._lock = Lock()
        self._log = _new_log(configuration)

    def start(self) -> None:
        """Start the process before the first event, because it takes a second."""
        if self._process is not None and self._process.poll() is None:
            return
        self._stop()
        with self._lock:
            self._api = api = _RuntimeApi()
            self._process = _launch(
                [sys.executable, "-m", "awslambdaric", self.configuration.handler],
                {
                    **_interpreter(),
                    **self.configuration.environment,
                    "AWS_LAMBDA_RUNTIME_API": api.address,
                    "LAMBDA_TASK_ROOT": str(self._code),
                    "PYTHONPATH": _path(*self.configuration.path, self._code),
                },
                self._code,
                self._log.path,
            )

    def invoke(self, event: Fields, request_id: str) -> Attempt:
        """Return how one run ended."""
        self.start()
        api, process = self._api, self._process
        if api is None or process is None:
            raise RuntimeError("The runner was closed while it invoked its function.")
        end = time.monotonic() + self.configuration.timeout_seconds
        deadline = int((time.time() + self.configuration.timeout_seconds) * 1000)
        invocation = _Invocation(event, request_id, deadline, self.configuration.arn)
        api.work.put(invocation)
        while True:
            try:
                ended = invocation.result.result(timeout=_POLL_SECONDS)
                break
            except NotYet:
                if problem := self._problem(api, process, end, request_id):
                    self._stop()
                    ended = Attempt(error=problem)
                    break
        return Attempt(ended.answer, ended.error, self._log.unread())

    def close(self) -> None:
        """End the process."""
        self._stop()

    def _problem(
        self, api: _RuntimeApi, process: "subprocess.Popen[bytes]", end: float, request_id: str
    ) -> FunctionError | None:
        if api.init_error:
            return api.init_error
        if process.poll() is not None:
            message = f"RequestId: {request_id} Error: Runtime exited with error: exit status {process.returncode}"
            return FunctionError("Runtime.ExitError", message)
        if time.monotonic() > end:
            seconds = self.configuration.timeout_seconds
            return FunctionError("Sandbox.Timedout", f"{request_id} Task timed out after {seconds}.00 seconds")
        return None

    def _stop(self) -> None:
        with self._lock:
            process, self._process = self._process, None
            api, self._api = self._api, None
        if process is not None:
            _end(process)
        if api is not None:
            api.work.put(None)
            api.shutdown()
            api.server_close()


class BuiltRunner:
    """Runs the output of sam build under AWS's Runtime Interface Emulator, without the working tree on its path."""

    def __init__(self, configuration: FunctionConfiguration, built: Path, python: Path, emulator: Path) -> None:
        self.configuration = configuration
        self._built = built
        self._python = python
        self._emulator = emulator
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0
        self._log = _new_log(configuration)

    def start(self) -> None:
        """Start the Runtime Interface Emulator. The function itself starts with its first event, as in Lambda."""
        if self._process is not None and self._process.poll() is None:
            return
        for _ in range(3):
            self._port, api_port = _free_ports()
            self._process = _launch(
                [
                    str(self._emulator),
                    "--log-level",
                    "error",
                    "--runtime-interface-emulator-address",
                    f"127.0.0.1:{self._port}",
                    "--runtime-api-address",
                    f"127.0.0.1:{api_port}",
                    str(self._python),
                    "-m",
                    "awslambdaric",
                    self.configuration.handler,
                ],
                {
                    **_interpreter(),
                    **self.configuration.environment,
                    "LAMBDA_TASK_ROOT": str(self._built),
                    # The folder keeps only what sam build wrote.
                    "PYTHONDONTWRITEBYTECODE": "1",
                    "PYTHONPATH": _path(*self.configuration.path, self._built),
                },
                self._built,
                self._log.path,
            )
            if self._listens():
                return
            _end(self._process)
        raise NotBuilt(f"The Runtime Interface Emulator does not start: {self._log.unread().strip()[-300:]}")

    def invoke(self, event: Fields, request_id: str) -> Attempt:
        """Return how one run ended. The emulator makes its own request id and ignores `request_id`."""
        self.start()
        url = f"http://127.0.0.1:{self._port}/2015-03-31/functions/function/invocations"
        post = http.Request(url, data=json.dumps(event).encode(), method="POST")
        try:
            with _opener().open(post, timeout=self.configuration.timeout_seconds + _GRACE_SECONDS) as response:
                body = response.read()
        except (http_error.URLError, OSError) as problem:
            self.close()
            message = f"RequestId: {request_id} Error: the function's process ended: {problem}"
            return Attempt(error=FunctionError("Runtime.ExitError", message), output=self._log.unread())
        return _emulated(body, self._log.unread())

    def close(self) -> None:
        """End the emulator, which ends the function."""
        process, self._process = self._process, None
        if process is not None:
            _end(process)

    def _listens(self) -> bool:
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end and self._process is not None and self._process.poll() is None:
            with socket.socket() as probe:
                # If another process took the port, the connection succeeds too, so check that this process still runs.
                if probe.connect_ex(("127.0.0.1", self._port)) == 0 and self._process.poll() is None:
                    return True
            time.sleep(_POLL_SECONDS)
        return False


def source_runner(configuration: FunctionConfiguration) -> SourceRunner:
    """Return a runner for the handlers in this checkout; raises NotBuilt outside of a checkout."""
    code = Path(__file__).resolve().parents[3] / "src"
    if not (code / "mfa_guard" / "handlers").is_dir():
        raise NotBuilt("The source of the functions is missing; run mfa-guard-local from a checkout of mfa-guard.")
    return SourceRunner(configuration, code)


def built_runner(configuration: FunctionConfiguration) -> BuiltRunner:
    """Return a runner for the output of `sam build`; raises NotBuilt."""
    root = Path(__file__).resolve().parents[3]
    built = root / ".aws-sam" / "build" / configuration.logical_id
    if not built.is_dir():
        raise NotBuilt(f"{configuration.logical_id} is not built; run: make build")
    python = root / ".tools" / "lambda" / "bin" / "python"
    if not python.exists():
        raise NotBuilt("Lambda's runtime is not installed; run: make .tools/.lambda")
    machine = {"aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), "x86_64")
    found = sorted((root / ".tools" / "sam").glob(f"lib/python3*/site-packages/samcli/local/rapid/*-{machine}"))
    if not found:
        raise NotBuilt("The Runtime Interface Emulator comes with the SAM CLI, which is not installed; run: make build")
    # A wheel does not keep the permission to execute.
    found[0].chmod(0o755)
    return BuiltRunner(configuration, built, python, found[0])


def _emulated(body: bytes, output: str) -> Attempt:
    """Return what the emulator's answer means: errors and timeouts also have HTTP status 200."""
    try:
        reported = json.loads(body) if body else None
    except ValueError:
        text = body.decode("utf-8", "replace").strip()
        kind = "Sandbox.Timedout" if "timed out" in text else "Runtime.Unknown"
        return Attempt(error=FunctionError(kind, text), output=output)
    if isinstance(reported, dict) and reported.keys() >= {"errorType", "errorMessage"}:
        return Attempt(error=FunctionError.of(reported), output=output)
    if isinstance(reported, str) and "Task timed out" in reported:
        return Attempt(error=FunctionError("Sandbox.Timedout", reported), output=output)
    return Attempt(answer=reported, output=output)


def _opener() -> http.OpenerDirector:
    # A proxy in the environment is not meant for this machine.
    return http.build_opener(http.ProxyHandler({}))


def _path(*folders: Path) -> str:
    return os.pathsep.join(map(str, folders))


def _interpreter() -> Mapping[str, str]:
    return {"PATH": os.environ.get("PATH", ""), "PYTHONUNBUFFERED": "1"}


def _new_log(configuration: FunctionConfiguration) -> _Log:
    configuration.log.touch()
    return _Log(configuration.log)


def _launch(command: list[str], environment: Mapping[str, str], folder: Path, log: Path) -> "subprocess.Popen[bytes]":
    """Start a process that ends with this one and does not receive the terminal's Ctrl-C."""
    watched = [sys.executable, "-I", "-S", str(Path(__file__).with_name("parent_watch.py")), str(os.getpid()), *command]
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - our own programs
            watched,
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(2)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        return int(first.getsockname()[1]), int(second.getsockname()[1])


def new_request_id() -> str:
    """Return the id of a new invocation, which all its attempts share."""
    return str(uuid.uuid4())
