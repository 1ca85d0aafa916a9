"""The trail: API calls of the in-process account as CloudTrail would record them, on their way to the event bus.

Record contents: https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
"""

import hashlib
import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import boto3

from mfa_guard.core.times import utc_text
from mfa_guard_cli.records import envelope_of
from mfa_guard_cli.template import Fields

if TYPE_CHECKING:
    from botocore.model import OperationModel, Shape

# Services whose calls are recorded, and where: the rest of what the account does is data, or nobody's rule.
_SOURCES: Final[Mapping[str, str]] = {
    "iam": "iam.amazonaws.com",
    "sns": "sns.amazonaws.com",
    "events": "events.amazonaws.com",
    "cloudtrail": "cloudtrail.amazonaws.com",
}
_READS: Final = ("Get", "List", "Describe")
_DATA_EVENTS: Final = frozenset({"Publish", "PutEvents"})
# CloudTrail leaves these out, although the service model does not mark them as sensitive.
_SECRET: Final = frozenset({"AuthenticationCode1", "AuthenticationCode2"})
_PARAMETERS: Final = "mfa_guard_parameters"

_BROWSER: Final = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/140.0.0.0 Safari/537.36"
)
_CLI: Final = "aws-cli/2.31.9 md/awscrt#0.27.6 ua/2.1 os/linux lang/python#3.13.7"
_BOTO3: Final = "Boto3/1.40.30 md/Botocore#1.40.30 ua/2.1 os/linux lang/python#3.13.7"
# Not the person's locale, which strftime would use.
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_HALVES: Final = ("AM", "PM")
_SESSION_AGE: Final = timedelta(minutes=25)
_NOTHING: Final[Fields] = MappingProxyType({})


@dataclass(frozen=True)
class Actor:
    """Who makes calls, as records name him: userIdentity, address, client. `from_console`: in a browser.

    When a session began is left open: records put it some minutes before the call.
    """

    identity: Fields
    address: str
    user_agent: str
    from_console: bool


def console_user(name: str, account: str, *, mfa: bool, address: str) -> Actor:
    """Return an IAM user who signed in to the console."""
    return Actor(_user(name, account, "ASIA") | _session(mfa=mfa), address, _BROWSER, from_console=True)


def key_user(name: str, account: str, *, address: str) -> Actor:
    """Return whoever holds a long-term access key of an IAM user."""
    return Actor(_user(name, account, "AKIA"), address, _CLI, from_console=False)


def role_session(role_arn: str, session: str, *, from_console: bool, address: str) -> Actor:
    """Return a session of an assumed role."""
    partition, account = role_arn.split(":")[1], role_arn.split(":")[4]
    role = role_arn.rpartition("/")[2]
    principal = _example("AROA", role)
    issuer = {
        "type": "Role",
        "principalId": principal,
        "arn": role_arn,
        "accountId": account,
        "userName": role,
    }
    identity = {
        "type": "AssumedRole",
        "principalId": f"{principal}:{session}",
        "arn": f"arn:{partition}:sts::{account}:assumed-role/{role}/{session}",
        "accountId": account,
        "accessKeyId": _example("ASIA", role + session),
        **_session(mfa=False, issuer=issuer),
    }
    return Actor(identity, address, _BROWSER if from_console else _BOTO3, from_console=from_console)


def root_user(account: str, *, signing_in: bool = False, address: str) -> Actor:
    """Return the root user in the console, or at the moment of signing in, when there is no session yet."""
    identity = {
        "type": "Root",
        "principalId": account,
        "arn": f"arn:aws:iam::{account}:root",
        "accountId": account,
        "accessKeyId": "" if signing_in else _example("ASIA", "root"),
    }
    session = {} if signing_in else _session(mfa=False)
    return Actor(identity | session, address, _BROWSER, from_console=not signing_in)


def _user(name: str, account: str, key: str) -> dict[str, object]:
    return {
        "type": "IAMUser",
        "principalId": _example("AIDA", name),
        "arn": f"arn:aws:iam::{account}:user/{name}",
        "accountId": account,
        "accessKeyId": _example(key, name),
        "userName": name,
    }


def _session(*, mfa: bool, issuer: Fields = _NOTHING) -> dict[str, object]:
    attributes = {"mfaAuthenticated": str(mfa).lower()}
    return {"sessionContext": {**({"sessionIssuer": issuer} if issuer else {}), "attributes": attributes}}


def _example(prefix: str, text: str) -> str:
    """Return an id that is plainly an example, the same for the same text."""
    return f"{prefix}{hashlib.sha256(text.encode()).hexdigest()[:9].upper()}EXAMPLE"


class Trail:
    """Records the mutating calls of a boto3 session while somebody acts.

    What somebody puts on the default bus himself goes there as it is, between the records.
    """

    def __init__(self, session: boto3.Session, account: str, region: str, now: Callable[[], datetime]) -> None:
        self._account = account
        self._now = now
        self._region = region
        self._actor: Actor | None = None
        self._written: list[Fields] = []
        session.events.register("before-parameter-build", self._remember)
        session.events.register("after-call", self._record)
        session.events.register("after-call.events.PutEvents", self._forward)

    @contextmanager
    def acting(self, actor: Actor) -> Iterator[None]:
        """Record what happens inside as this actor's doing."""
        outer, self._actor = self._actor, actor
        try:
            yield
        finally:
            self._actor = outer

    def take(self) -> tuple[Fields, ...]:
        """Return the envelopes since this was last asked."""
        written, self._written = tuple(self._written), []
        return written

    def write(
        self,
        actor: Actor,
        source: str,
        name: str,
        *,
        request: Fields | None = None,
        response: Fields | None = None,
        further: Fields = _NOTHING,
    ) -> None:
        """Record a call that the account cannot make: root's, another service's."""
        style = {"sessionCredentialFromConsole": "true"} if actor.from_console else _tls(source)
        self._append(
            actor,
            source,
            name,
            {
                "requestParameters": request,
                "responseElements": response,
                "requestID": str(uuid.uuid4()),
                "eventType": "AwsApiCall",
                **style,
                **further,
            },
        )

    def write_sign_in(self, actor: Actor, *, mfa_used: bool) -> None:
        """Record a sign-in to the console that succeeded."""
        self._append(
            actor,
            "signin.amazonaws.com",
            "ConsoleLogin",
            {
                "requestParameters": None,
                "responseElements": {"ConsoleLogin": "Success"},
                "additionalEventData": {
                    "LoginTo": "https://console.aws.amazon.com/console/home",
                    "MobileVersion": "No",
                    "MFAUsed": "Yes" if mfa_used else "No",
                },
                "eventType": "AwsConsoleSignIn",
                **_tls("signin.aws.amazon.com"),
            },
        )

    def _append(self, actor: Actor, source: str, name: str, particular: Fields) -> None:
        now = self._now()
        record = {
            "eventVersion": "1.11",
            "userIdentity": _identity(actor, now),
            "eventTime": utc_text(now),
            "eventSource": source,
            "eventName": name,
            "awsRegion": self._region,
            "sourceIPAddress": actor.address,
            "userAgent": actor.user_agent,
            "eventID": str(uuid.uuid4()),
            "readOnly": False,
            "managementEvent": True,
            "recipientAccountId": self._account,
            "eventCategory": "Management",
            **particular,
        }
        self._written.append(delivered(envelope_of(record)))

    def _remember(self, params: Fields, context: dict[str, object], **_: object) -> None:
        context[_PARAMETERS] = deepcopy(params)

    def _forward(self, parsed: Fields, context: Fields, **_: object) -> None:
        request, answers = _mapping(context[_PARAMETERS]) or {}, parsed.get("Entries", [])
        if self._actor is None or not isinstance(answers, list):
            return
        entries = request["Entries"]
        for entry, answer in zip(entries if isinstance(entries, list) else [], answers, strict=True):
            if "EventId" in answer and _put_on_the_default_bus(entry):
                self._written.append(
                    {
                        "version": "0",
                        "id": answer["EventId"],
                        "detail-type": entry["DetailType"],
                        "source": entry["Source"],
                        "account": self._account,
                        "time": utc_text(self._now()),
                        "region": self._region,
                        "resources": entry.get("Resources", []),
                        "detail": json.loads(entry["Detail"]),
                    }
                )

    def _record(self, parsed: Fields, model: "OperationModel", context: Fields, **_: object) -> None:
        source = _SOURCES.get(model.service_model.service_name)
        name = model.name
        if self._actor is None or source is None or name.startswith(_READS) or name in _DATA_EVENTS:
            return
        request = _as_recorded(context[_PARAMETERS], model.input_shape)
        if error := _mapping(parsed.get("Error")):
            self.write(self._actor, source, name, request=_mapping(request), further=_failure(error, model))
        else:
            answer = {key: value for key, value in parsed.items() if key != "ResponseMetadata"}
            response = _as_recorded(answer, model.output_shape)
            self.write(self._actor, source, name, request=_mapping(request), response=_mapping(response))


def _put_on_the_default_bus(entry: Fields) -> bool:
    return str(entry.get("EventBusName", "default")).rpartition("/")[2] == "default"


def delivered(envelope: Fields) -> Fields:
    """Return the envelope as one more delivery carries it: with an id of its own."""
    return {**envelope, "id": str(uuid.uuid4())}


def _identity(actor: Actor, now: datetime) -> Fields:
    identity = deepcopy(dict(actor.identity))
    if isinstance(session := identity.get("sessionContext"), dict):
        began = {"creationDate": utc_text(now - _SESSION_AGE)}
        session["attributes"] = began | session["attributes"]
    return identity


def _tls(source: str) -> Fields:
    host = {"clientProvidedHostHeader": source}
    return {"tlsDetails": {"tlsVersion": "TLSv1.3", "cipherSuite": "TLS_AES_128_GCM_SHA256", **host}}


def _failure(error: Fields, model: "OperationModel") -> dict[str, object]:
    """Return errorCode, which is the exception's name and not the code on the wire, and errorMessage."""
    code = str(error.get("Code"))
    names = {shape.metadata.get("error", {}).get("code", shape.name): shape.name for shape in model.error_shapes}
    return {"errorCode": names.get(code, code), "errorMessage": error.get("Message")}


def _mapping(value: object) -> Fields | None:
    """Return an object that holds anything; CloudTrail writes null for the others."""
    return value if isinstance(value, Mapping) and value else None


def _as_recorded(value: object, shape: "Shape | None") -> object:
    """Return a request or an answer as CloudTrail spells it: first letters lowered, secrets left out."""
    members = getattr(shape, "members", {})
    if isinstance(value, Mapping):
        return {
            key[:1].lower() + key[1:]: _as_recorded(each, members.get(key))
            for key, each in value.items()
            if key not in _SECRET and not getattr(members.get(key), "metadata", {}).get("sensitive")
        }
    if isinstance(value, list):
        return [_as_recorded(each, getattr(shape, "member", None)) for each in value]
    return _locale_text(value.astimezone(UTC)) if isinstance(value, datetime) else value


def _locale_text(time: datetime) -> str:
    """Return a time as CloudTrail has it in responseElements: Oct 3, 2025, 8:41:04 AM."""
    day = f"{_MONTHS[time.month - 1]} {time.day}, {time.year}"
    return f"{day}, {time.hour % 12 or 12}:{time:%M:%S} {_HALVES[time.hour // 12]}"
