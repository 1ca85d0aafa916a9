"""What the local account shows to a browser and to `mfa-guard-local run`, below /_mfa-guard/."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeAlias

from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from mfa_guard.core.times import utc_text
from mfa_guard_cli.stack.intrinsics import as_text
from mfa_guard_emulator.aws.snapshot import snapshots
from mfa_guard_emulator.console.page import HEADERS, asset

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from mfa_guard_emulator.aws.account import LocalAccount

_ROOT: Final = "/_mfa-guard/"
_MAILS_SHOWN: Final = 200
_LINES_SHOWN: Final = 100
# A page of somebody else's can send a form anywhere, but no header of its own.
COMMAND_HEADER: Final = "X-Mfa-Guard"

_Act: TypeAlias = Callable[["LocalAccount", Mapping[str, object]], None]


class Pages:
    """The WSGI application of these pages."""

    def __init__(self, account: "LocalAccount") -> None:
        self._account = account

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer one request."""
        return self._answer(Request(environ))(environ, start_response)

    def _answer(self, request: Request) -> Response:
        name = request.path.removeprefix(_ROOT)
        if not request.path.startswith(_ROOT):
            return redirect(_ROOT, 303)
        if request.method == "POST":
            return self._act(name, request)
        if name == "state":
            return self._state(request)
        found = asset(name)
        if found is None:
            return Response("There is nothing here.\n", 404, headers=dict(HEADERS))
        return Response(found.body, content_type=found.content_type, headers=dict(HEADERS))

    def _act(self, name: str, request: Request) -> Response:
        act = _ACTS.get(name)
        if act is None or COMMAND_HEADER not in request.headers:
            return Response("There is nothing here.\n", 404)
        try:
            act(self._account, request.get_json(silent=True) or {})
        except KeyError as error:
            return Response(f"There is no user {error.args[0]}.\n", 404)
        return Response("{}\n", content_type="application/json")

    def _state(self, request: Request) -> Response:
        body = json.dumps(state(self._account), default=_text).encode()
        tag = hashlib.sha256(body).hexdigest()[:32]
        response = Response(body, content_type="application/json", headers=dict(HEADERS))
        response.set_etag(tag)
        return response.make_conditional(request.environ)


def state(account: "LocalAccount") -> Mapping[str, object]:
    """Return what the page shows, newest first."""
    mails = account.mailbox.mails
    lines = account.activity.newest_first
    users = snapshots(account.stack, account.iam)
    return {
        "stack": {
            "name": account.stack.name,
            "account": account.stack.account,
            "region": account.stack.region,
            "endpoint": account.endpoint,
            "mode": as_text(account.stack.parameters["Mode"]),
            "runtime": account.plan.runtime,
        },
        "mails": [
            {
                "number": mail.number,
                "time": mail.time,
                "topic": mail.topic,
                "to": mail.to,
                "severity": mail.attributes.get("severity", "low"),
                "kind": mail.attributes.get("kind", ""),
                "subject": mail.subject,
                "text": mail.text,
            }
            for mail in reversed(mails[-_MAILS_SHOWN:])
        ],
        "users": [
            {
                "name": name,
                "user_id": each.user_id,
                "path": each.path,
                "routes": each.routes,
                "tags": dict(each.tags),
                "devices": each.devices,
                "password": each.password,
                "keys": [{"id": key.id, "status": key.status} for key in each.keys],
                "exempt_until": each.exempt_until,
            }
            for name, each in sorted(users.items(), key=lambda item: item[0].casefold())
        ],
        "activity": [asdict(line) for line in lines[:_LINES_SHOWN]],
        "totals": {
            "mails": len(mails),
            "users": len(users),
            "activity": account.activity.count,
            "lost": account.activity.lost,
            "dead_letters": account.dead_letters(),
            "failures": len(account.failures),
        },
    }


def _sweep(account: "LocalAccount", _asked: Mapping[str, object]) -> None:
    account.fire_schedule()


def _sign_in(account: "LocalAccount", asked: Mapping[str, object]) -> None:
    user = asked.get("user")
    account.sign_in(
        str(user) if user else None,
        mfa=asked.get("mfa") is True,
        address="127.0.0.1",
        user_agent=str(asked.get("user_agent", "mfa-guard local")),
    )


_ACTS: Final[Mapping[str, _Act]] = {"sign-in": _sign_in, "sweep": _sweep}


def _text(value: object) -> str:
    return utc_text(value) if isinstance(value, datetime) else str(value)
