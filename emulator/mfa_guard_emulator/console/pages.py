"""Answer requests below PAGE_PATH: the page, the state that it shows, and the actions of the commands."""

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
from mfa_guard_emulator.account import LocalAccount
from mfa_guard_emulator.aws.snapshot import snapshots
from mfa_guard_emulator.console.client import COMMAND_HEADER
from mfa_guard_emulator.console.page import HEADERS, asset
from mfa_guard_emulator.endpoint import PAGE_PATH

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_MAXIMUM_MAILS: Final = 200
_MAXIMUM_LINES: Final = 100

_Action: TypeAlias = Callable[[LocalAccount, Mapping[str, object]], None]


class Pages:
    """The WSGI application that answers these requests."""

    def __init__(self, account: LocalAccount) -> None:
        self._account = account

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer one request."""
        return self._answer(Request(environ))(environ, start_response)

    def _answer(self, request: Request) -> Response:
        name = request.path.removeprefix(PAGE_PATH)
        if not request.path.startswith(PAGE_PATH):
            return redirect(PAGE_PATH, 303)
        if request.method == "POST":
            return self._run_action(name, request)
        if name == "state":
            return self._state(request)
        found = asset(name)
        if found is None:
            return Response("This address does not exist.\n", 404, headers=dict(HEADERS))
        return Response(found.body, content_type=found.content_type, headers=dict(HEADERS))

    def _run_action(self, name: str, request: Request) -> Response:
        action = _ACTIONS.get(name)
        if action is None or COMMAND_HEADER not in request.headers:
            return Response("This address does not exist.\n", 404)
        try:
            action(self._account, request.get_json(silent=True) or {})
        except KeyError as error:
            return Response(f"There is no user {error.args[0]}.\n", 404)
        return Response("{}\n", content_type="application/json")

    def _state(self, request: Request) -> Response:
        body = json.dumps(state(self._account), default=_text).encode()
        tag = hashlib.sha256(body).hexdigest()[:32]
        response = Response(body, content_type="application/json", headers=dict(HEADERS))
        response.set_etag(tag)
        return response.make_conditional(request.environ)


def state(account: LocalAccount) -> Mapping[str, object]:
    """Return what the page shows. Mails and activity begin with the newest."""
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
            "runtime": account.config.runtime,
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
            for mail in reversed(mails[-_MAXIMUM_MAILS:])
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
        "activity": [asdict(line) for line in lines[:_MAXIMUM_LINES]],
        "totals": {
            "mails": len(mails),
            "users": len(users),
            "activity": account.activity.count,
            "lost": account.activity.lost,
            "dead_letters": account.dead_letter_count(),
            "failures": len(account.failures),
        },
    }


def _sweep(account: LocalAccount, _body: Mapping[str, object]) -> None:
    account.run_schedule()


def _sign_in(account: LocalAccount, body: Mapping[str, object]) -> None:
    user = body.get("user")
    account.sign_in(
        str(user) if user else None,
        mfa=body.get("mfa") is True,
        address="127.0.0.1",
        user_agent=str(body.get("user_agent", "mfa-guard-local")),
    )


_ACTIONS: Final[Mapping[str, _Action]] = {"sign-in": _sign_in, "sweep": _sweep}


def _text(value: object) -> str:
    return utc_text(value) if isinstance(value, datetime) else str(value)
