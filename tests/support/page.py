"""A fake local account that serves only its page: the page's files, and a state that a test writes."""

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, TypeAlias

from mfa_guard_emulator.console.page import HEADERS, asset

PREFIX: Final = "/_mfa-guard/"

Fields: TypeAlias = dict[str, object]


def mail(number: int, subject: str = "HIGH: alice has no MFA device", **changes: object) -> Fields:
    """Return a mail of the state, with the severity in its subject."""
    return {
        "number": number,
        "time": f"2026-01-02T03:04:{number % 60:02}Z",
        "topic": "NoticesTopic",
        "to": ["security@example.com"],
        "severity": subject.partition(":")[0].lower(),
        "kind": "noncompliant",
        "subject": subject,
        "text": f"Text {number}.\n\nWHAT HAPPENED\n  CreateUser\n",
    } | changes


def user(name: str, **changes: object) -> Fields:
    """Return a user of the state that the guard has not changed."""
    return {
        "name": name,
        "user_id": f"AIDA{name.upper()}",
        "path": "/",
        "routes": [],
        "tags": {},
        "devices": [],
        "password": False,
        "keys": [],
        "exempt_until": None,
    } | changes


def entry(number: int, **changes: object) -> Fields:
    """Return one invocation of the state's activity."""
    return {
        "number": number,
        "time": f"2026-01-02T03:04:{number % 60:02}Z",
        "event": "iam CreateUser",
        "actor": "user/carol",
        "about": "alice",
        "rule": "UserEventFunctionNewCredentials",
        "function": "UserEventFunction",
        "outcome": "enforced: enforce, tag",
        "failed": False,
    } | changes


@dataclass
class StateRequest:
    """One request for the state: its ETag, and the status of the answer."""

    tag: str | None
    status: int


@dataclass
class FakeAccount:
    """What a test changes. `broken`: answer a request for the state with these bytes, or with this status."""

    port: int = 0
    mails: list[Fields] = field(default_factory=list)
    users: list[Fields] = field(default_factory=list)
    activity: list[Fields] = field(default_factory=list)
    dead_letters: int = 0
    broken: bytes | HTTPStatus | None = None
    requests: list[StateRequest] = field(default_factory=list)
    server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        """Return the address of the page."""
        return f"http://localhost:{self.port}{PREFIX}"

    @property
    def state(self) -> Mapping[str, object]:
        """Return the state, as the local account sends it."""
        return {
            "stack": {
                "name": "mfa-guard",
                "account": "111122223333",
                "region": "us-east-1",
                "endpoint": f"http://localhost:{self.port}",
                "mode": "events",
                "runtime": "source",
            },
            "mails": self.mails[:200],
            "users": self.users,
            "activity": self.activity[:100],
            "totals": {
                "mails": len(self.mails),
                "users": len(self.users),
                "activity": len(self.activity),
                "dead_letters": self.dead_letters,
            },
        }

    def start(self) -> None:
        """Start the server, on the same port as before."""
        account = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                account.answer(self)

            def log_message(self, *_: object) -> None:
                """Print nothing."""

        self.server = ThreadingHTTPServer(("localhost", self.port), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def end(self) -> None:
        """Stop the server."""
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request for the page or its state."""
        name = request.path.removeprefix(PREFIX)
        if name == "state":
            self._answer_state(request)
        elif found := asset(name):
            _send(request, HTTPStatus.OK, found.body, found.content_type)
        else:
            _send(request, HTTPStatus.NOT_FOUND, b"", "text/plain")

    def _answer_state(self, request: BaseHTTPRequestHandler) -> None:
        tag = request.headers["If-None-Match"]
        status, body = HTTPStatus.OK, json.dumps(self.state).encode()
        if isinstance(self.broken, bytes):
            body = self.broken
        etag = f'"{hashlib.sha256(body).hexdigest()}"'
        if isinstance(self.broken, HTTPStatus):
            status, body = self.broken, b""
        elif tag == etag:
            status, body = HTTPStatus.NOT_MODIFIED, b""
        self.requests.append(StateRequest(tag, status))
        _send(request, status, body, "application/json", etag)


def _send(
    request: BaseHTTPRequestHandler, status: HTTPStatus, body: bytes, content_type: str, etag: str | None = None
) -> None:
    request.send_response(status)
    own = {"Content-Type": content_type} | ({"ETag": etag} if etag else {})
    for name, value in (dict(HEADERS) | own).items():
        request.send_header(name, value)
    request.end_headers()
    request.wfile.write(body)


@contextmanager
def fake_account() -> Iterator[FakeAccount]:
    """Run an empty account until the end of the block."""
    account = FakeAccount()
    account.start()
    try:
        yield account
    finally:
        account.end()
