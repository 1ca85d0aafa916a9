"""Write CloudTrail records as AWS does, in the envelopes that the event bus receives.

Record contents: https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
"""

import re
import secrets
import string
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from mfa_guard.core.partitions import partition_of
from mfa_guard.core.times import utc_text
from mfa_guard_cli.stack.records import envelope_of
from mfa_guard_cli.stack.template import Fields, Stack
from mfa_guard_emulator.aws.callers import Caller

if TYPE_CHECKING:
    from botocore.model import Shape

# CloudTrail leaves these out, although the service model does not mark them as sensitive.
_SECRET: Final = frozenset({"AuthenticationCode1", "AuthenticationCode2", "ParameterValue"})
# Event names of Lambda contain the version of its API.
_VERSIONED: Final = re.compile(r"(?P<operation>[A-Za-z]+)[0-9]{8}(v[0-9])?")
# strftime would use the locale of the machine.
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_HALVES: Final = ("AM", "PM")
_NOTHING: Final[Fields] = MappingProxyType({})
# Services with one host for all regions.
_GLOBAL: Final = frozenset({"iam.amazonaws.com"})
_DYNAMODB: Final = "dynamodb.amazonaws.com"
_TABLE: Final = "AWS::DynamoDB::Table"
_REQUEST_ID: Final = string.ascii_uppercase + string.digits
_REQUEST_ID_LENGTH: Final = 52
_HISTORY: Final = 10_000


def matched_calls(stack: Stack) -> Mapping[tuple[str, str], str]:
    """Return the calls that a rule of the stack matches: (event source, operation) to the event's name."""
    calls: dict[tuple[str, str], str] = {}
    for rule in stack.rules():
        detail = rule.pattern.get("detail")
        if not isinstance(detail, Mapping):
            continue
        for source in detail.get("eventSource", ()):
            for name in _event_names(detail):
                versioned = _VERSIONED.fullmatch(name)
                calls[source, versioned["operation"] if versioned else name] = name
    return calls


def _event_names(pattern: Fields) -> Iterator[str]:
    for key, value in pattern.items():
        if key == "eventName" and isinstance(value, list):
            yield from (each for each in value if isinstance(each, str))
        elif key == "$or" and isinstance(value, list):
            for alternative in value:
                yield from _event_names(alternative)


class CloudTrail:
    """Writes an account's records. `now` returns the time in UTC; `history` has the newest records, oldest first."""

    def __init__(self, account: str, region: str, now: Callable[[], datetime]) -> None:
        self._account = account
        self._region = region
        self._now = now
        self.history: deque[Fields] = deque(maxlen=_HISTORY)

    def call(
        self,
        caller: Caller,
        source: str,
        name: str,
        *,
        request: Fields | None = None,
        response: Fields | None = None,
        address: str = "127.0.0.1",
        user_agent: str = "",
        further: Fields = _NOTHING,
    ) -> Fields:
        """Return the envelope of one API call."""
        style = {"sessionCredentialFromConsole": "true"} if caller.from_console else _tls(self._host(source))
        return self._envelope(
            caller,
            source,
            name,
            address,
            user_agent,
            {
                "requestParameters": request or None,
                "responseElements": response or None,
                "requestID": str(uuid.uuid4()),
                "eventType": "AwsApiCall",
                **style,
                **(self._of_dynamodb(request or {}) if source == _DYNAMODB else {}),
                **further,
            },
        )

    def sign_in(self, caller: Caller, *, mfa_used: bool, device: str | None, address: str, user_agent: str) -> Fields:
        """Return the envelope of a successful sign-in to the console; `device` is the MFA device's serial number."""
        return self._envelope(
            caller,
            "signin.amazonaws.com",
            "ConsoleLogin",
            address,
            user_agent,
            {
                "requestParameters": None,
                "responseElements": {"ConsoleLogin": "Success"},
                "additionalEventData": {
                    "LoginTo": "https://console.aws.amazon.com/console/home",
                    "MobileVersion": "No",
                    **({"MFAIdentifier": device} if mfa_used and device else {}),
                    "MFAUsed": "Yes" if mfa_used else "No",
                },
                "eventType": "AwsConsoleSignIn",
                **_tls("signin.aws.amazon.com"),
            },
        )

    def event(self, event_id: str, entry: Fields, detail: Fields) -> Fields:
        """Return the envelope of an entry of PutEvents."""
        return {
            "version": "0",
            "id": event_id,
            "detail-type": entry["DetailType"],
            "source": entry["Source"],
            "account": self._account,
            "time": utc_text(self._now()),
            "region": self._region,
            "resources": entry.get("Resources", []),
            "detail": detail,
        }

    def _host(self, source: str) -> str:
        if source in _GLOBAL:
            return source
        return f"{source.partition('.')[0]}.{self._region}.{partition_of(self._region).dns_suffix}"

    def _of_dynamodb(self, request: Fields) -> Fields:
        """Return the fields that only records of DynamoDB have."""
        named = str(request.get("tableName") or request.get("resourceArn"))
        table = named if named.startswith("arn:") else f"{self._tables}/{named}"
        return {
            "requestID": "".join(secrets.choice(_REQUEST_ID) for _ in range(_REQUEST_ID_LENGTH)),
            "apiVersion": "2012-08-10",
            "resources": [{"accountId": self._account, "type": _TABLE, "ARN": table}],
        }

    @property
    def _tables(self) -> str:
        return f"arn:{partition_of(self._region).name}:dynamodb:{self._region}:{self._account}:table"

    def _envelope(
        self, caller: Caller, source: str, name: str, address: str, user_agent: str, particular: Fields
    ) -> Fields:
        record = {
            "eventVersion": "1.11",
            "userIdentity": caller.identity,
            "eventTime": utc_text(self._now()),
            "eventSource": source,
            "eventName": name,
            "awsRegion": self._region,
            "sourceIPAddress": caller.address or address,
            "userAgent": caller.user_agent or user_agent,
            "eventID": str(uuid.uuid4()),
            "readOnly": False,
            "managementEvent": True,
            "recipientAccountId": self._account,
            "eventCategory": "Management",
            **particular,
        }
        self.history.append(record)
        return redelivered(envelope_of(record))


def redelivered(envelope: Fields) -> Fields:
    """Return the envelope of another delivery of the same event, which has a new id."""
    return {**envelope, "id": str(uuid.uuid4())}


def _tls(source: str) -> Fields:
    host = {"clientProvidedHostHeader": source}
    return {"tlsDetails": {"tlsVersion": "TLSv1.3", "cipherSuite": "TLS_AES_128_GCM_SHA256", **host}}


def as_recorded(value: object, shape: "Shape | None") -> object:
    """Return a request or an answer as CloudTrail writes it: names begin in lower case, and secrets are left out."""
    members = getattr(shape, "members", {})
    if isinstance(value, Mapping) and getattr(shape, "type_name", "") == "map":
        # The keys are values of the caller, not names of the API.
        return {key: as_recorded(each, getattr(shape, "value", None)) for key, each in value.items()}
    if isinstance(value, Mapping):
        return {
            key[:1].lower() + key[1:]: as_recorded(each, members.get(key))
            for key, each in value.items()
            if key not in _SECRET and not _is_left_out(members.get(key))
        }
    if isinstance(value, list):
        return [as_recorded(each, getattr(shape, "member", None)) for each in value]
    if isinstance(value, bytes):
        return "HIDDEN_DUE_TO_SECURITY_REASONS"
    return _locale_text(value.astimezone(UTC)) if isinstance(value, datetime) else value


def _is_left_out(member: "Shape | None") -> bool:
    """Tell whether a member is a secret, or is the status in the first line of the answer."""
    sensitive = getattr(member, "metadata", {}).get("sensitive") is True
    return sensitive or getattr(member, "serialization", {}).get("location") == "statusCode"


def _locale_text(time: datetime) -> str:
    """Return a time as CloudTrail writes it in responseElements: Oct 3, 2025, 8:41:04 AM."""
    day = f"{_MONTHS[time.month - 1]} {time.day}, {time.year}"
    return f"{day}, {time.hour % 12 or 12}:{time:%M:%S} {_HALVES[time.hour // 12]}"
