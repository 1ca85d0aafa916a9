"""Read CloudTrail records: who acted, whom it is about, and why the guard should look.

A record is a hint written by strangers. Nothing here decides; it only names the subject and the actor.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, TypeAlias

Fields: TypeAlias = Mapping[str, object]

IAM: Final = "iam.amazonaws.com"
ROOT_NAME: Final = "AWS ROOT USER"
USER_NAME: Final = re.compile(r"[A-Za-z0-9_+=,.@-]{1,64}")


class EventNotUnderstood(ValueError):
    """A record that a rule let through and that does not say what it should; one sentence."""


class ActorKind(StrEnum):
    """Who made an API call, after `userIdentity.type`."""

    USER = "user"
    ROLE = "role"
    ROOT = "root"
    SERVICE = "service"
    FEDERATED = "federated"
    SAML = "saml"
    WEB_IDENTITY = "web-identity"
    IDENTITY_CENTER = "identity-center"
    ACCOUNT = "account"
    DIRECTORY = "directory"
    UNKNOWN = "unknown"


class SubjectKind(StrEnum):
    """What an event can be about."""

    USER = "user"
    ROOT = "root"


class Trigger(StrEnum):
    """Why the guard looks at a user."""

    NEW_USER = "new user"
    NEW_CREDENTIAL = "new credential"
    DEVICE_ENABLED = "device enabled"
    DEVICE_REMOVED = "device removed"
    ENFORCEMENT_REMOVED = "enforcement removed"
    TAGS_CHANGED = "tags changed"
    RENAMED = "renamed"


@dataclass(frozen=True)
class Actor:
    """The principal that made the API call, as far as the record tells.

    `session` is a role session's name. `key_id` is the access key's id when the call was signed with a long-term key,
    without any session. `mfa` speaks of the actor's session, never of the subject; None where the record is silent.
    """

    kind: ActorKind
    name: str | None = None
    session: str | None = None
    key_id: str | None = None
    mfa: bool | None = None

    @property
    def label(self) -> str:
        """Return `user/NAME`, `role/NAME/SESSION`, `root`, `service/NAME` and so on."""
        return "/".join(part for part in (self.kind.value, self.name, self.session) if part)


@dataclass(frozen=True)
class Subject:
    """The IAM user, or the root user, that an event is about. Root has no name that IAM would accept."""

    kind: SubjectKind
    name: str | None = None


ROOT_SUBJECT: Final = Subject(SubjectKind.ROOT)


@dataclass(frozen=True)
class Record:
    """The fields of a CloudTrail record that every notice speaks of. `time` is in UTC."""

    id: str
    name: str
    source: str
    time: datetime
    actor: Actor
    address: str | None
    user_agent: str | None
    request: Fields


@dataclass(frozen=True)
class UserEvent:
    """A record about one user: the subject, why the guard looks, and the device it names, if any."""

    record: Record
    subject: Subject
    trigger: Trigger
    device: str | None

    @property
    def by_subject(self) -> bool:
        """Tell whether the actor is the subject."""
        actor = self.record.actor
        return actor.kind is ActorKind.USER and actor.name == self.subject.name


@dataclass(frozen=True)
class _Naming:
    """Where a record names its subject. `caller`: the API defaults to whoever calls it."""

    places: tuple[tuple[str, ...], ...] = (("requestParameters", "userName"),)
    caller: bool = False


_REQUESTED: Final = _Naming()
_REQUESTED_OR_CALLER: Final = _Naming(caller=True)

# Event name -> where its subject is. https://docs.aws.amazon.com/IAM/latest/UserGuide/cloudtrail-integration.html
# The virtual devices' own events are absent: they name a device, and a device's name is not a user's.
_SUBJECTS: Final[Mapping[str, _Naming]] = {
    "CreateUser": _Naming((("responseElements", "user", "userName"), ("requestParameters", "userName"))),
    "UpdateUser": _Naming((("requestParameters", "newUserName"), ("requestParameters", "userName"))),
    "DeleteUser": _REQUESTED,
    "CreateAccessKey": _Naming(
        (("responseElements", "accessKey", "userName"), ("requestParameters", "userName")), caller=True
    ),
    "UpdateAccessKey": _REQUESTED_OR_CALLER,
    "DeleteAccessKey": _REQUESTED_OR_CALLER,
    "CreateLoginProfile": _Naming(
        (("requestParameters", "userName"), ("responseElements", "loginProfile", "userName")), caller=True
    ),
    "UpdateLoginProfile": _REQUESTED,
    "DeleteLoginProfile": _REQUESTED_OR_CALLER,
    "ChangePassword": _Naming((), caller=True),
    "EnableMFADevice": _REQUESTED,
    "DeactivateMFADevice": _REQUESTED_OR_CALLER,
    "ResyncMFADevice": _REQUESTED,
    "AttachUserPolicy": _REQUESTED,
    "DetachUserPolicy": _REQUESTED,
    "PutUserPolicy": _REQUESTED,
    "DeleteUserPolicy": _REQUESTED,
    "PutUserPermissionsBoundary": _REQUESTED,
    "DeleteUserPermissionsBoundary": _REQUESTED,
    "AddUserToGroup": _REQUESTED,
    "RemoveUserFromGroup": _REQUESTED,
    "TagUser": _REQUESTED,
    "UntagUser": _REQUESTED,
}

_TRIGGERS: Final[Mapping[str, Trigger]] = {
    "CreateUser": Trigger.NEW_USER,
    "CreateLoginProfile": Trigger.NEW_CREDENTIAL,
    "CreateAccessKey": Trigger.NEW_CREDENTIAL,
    "UpdateAccessKey": Trigger.NEW_CREDENTIAL,
    "EnableMFADevice": Trigger.DEVICE_ENABLED,
    "DeactivateMFADevice": Trigger.DEVICE_REMOVED,
    "DetachUserPolicy": Trigger.ENFORCEMENT_REMOVED,
    "RemoveUserFromGroup": Trigger.ENFORCEMENT_REMOVED,
    "TagUser": Trigger.TAGS_CHANGED,
    "UntagUser": Trigger.TAGS_CHANGED,
    "UpdateUser": Trigger.RENAMED,
}

_ROLE_ISSUER: Final = ("sessionContext", "sessionIssuer", "userName")

# userIdentity.type -> the actor's kind and where its name is, first match wins.
# https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html
_ACTORS: Final[Mapping[str, tuple[ActorKind, tuple[tuple[str, ...], ...]]]] = {
    "Root": (ActorKind.ROOT, ()),
    "IAMUser": (ActorKind.USER, (("userName",), ("arn",))),
    "AssumedRole": (ActorKind.ROLE, (_ROLE_ISSUER,)),
    "Role": (ActorKind.ROLE, (("userName",), _ROLE_ISSUER, ("arn",))),
    "FederatedUser": (ActorKind.FEDERATED, (("arn",), ("principalId",))),
    "SAMLUser": (ActorKind.SAML, (("userName",), ("principalId",))),
    "WebIdentityUser": (ActorKind.WEB_IDENTITY, (("userName",), ("principalId",))),
    "IdentityCenterUser": (ActorKind.IDENTITY_CENTER, (("onBehalfOf", "userId"), ("credentialId",))),
    "AWSService": (ActorKind.SERVICE, (("invokedBy",),)),
    "AWSAccount": (ActorKind.ACCOUNT, (("accountId",), ("principalId",))),
    "Directory": (ActorKind.DIRECTORY, (("userName",), ("principalId",))),
}


def actor_of(detail: Fields) -> Actor:
    """Return who made the call; kind UNKNOWN where the record does not say. Never raises."""
    identity = _fields(detail.get("userIdentity"))
    kind, places = _ACTORS.get(str(identity.get("type")), (ActorKind.UNKNOWN, (("principalId",), ("arn",))))
    name = next((text for place in places if (text := _text(identity, place))), None)
    session = None
    if kind is ActorKind.ROLE:
        role, session = _role_session(identity)
        name = name or role
    if name and name.startswith("arn:"):
        name = name.rpartition("/")[2]
    context = _fields(identity.get("sessionContext"))
    key_id = _text(identity, ("accessKeyId",))
    mfa = _text(context, ("attributes", "mfaAuthenticated"))
    return Actor(
        kind=kind,
        name=name,
        session=session,
        key_id=key_id if not context and key_id and key_id.startswith("AKIA") else None,
        mfa=None if mfa is None else mfa.lower() == "true",
    )


def subject_of(detail: Fields) -> Subject | None:
    """Return whom the record is about, or None for a record that is about no user.

    Raises EventNotUnderstood for a record that should name a user and does not.
    """
    name = detail.get("eventName")
    naming = _SUBJECTS.get(name) if isinstance(name, str) and detail.get("eventSource") == IAM else None
    if naming is None:
        return None
    request = detail.get("requestParameters")
    if not isinstance(request, Mapping | None) or not isinstance(_fields(request).get("userName"), str | None):
        raise EventNotUnderstood(f"{name} has request parameters of a shape that CloudTrail does not write.")
    actor = actor_of(detail)
    requested = _text(detail, ("requestParameters", "userName"))
    if requested == ROOT_NAME:
        return ROOT_SUBJECT
    # The response may carry the account's alias as root's user name, so it is not asked.
    if requested is None and naming.caller and actor.kind is ActorKind.ROOT:
        return ROOT_SUBJECT
    named = next((text for place in naming.places if (text := _text(detail, place)) is not None), None)
    if named is None and naming.caller and actor.kind is ActorKind.USER:
        named = actor.name
    if named is None:
        raise EventNotUnderstood(f"{name} does not say which user it is about.")
    if not USER_NAME.fullmatch(named):
        raise EventNotUnderstood(f"{name} names a user that IAM cannot have: {named[:80]!a}.")
    return Subject(SubjectKind.USER, named)


def parse_record(detail: Fields) -> Record:
    """Return the fields every notice needs.

    Raises EventNotUnderstood when the record lacks its id, name, source or time.
    """
    return Record(
        id=_required(detail, "eventID"),
        name=_required(detail, "eventName"),
        source=_required(detail, "eventSource"),
        time=_time(_required(detail, "eventTime")),
        actor=actor_of(detail),
        address=_text(detail, ("sourceIPAddress",)),
        user_agent=_text(detail, ("userAgent",)),
        request=_fields(detail.get("requestParameters")),
    )


def parse_user_event(detail: Fields) -> UserEvent:
    """Return the event about one user that UserEventFunction acts on.

    Raises EventNotUnderstood when it is none: an event name without a trigger, no subject, a missing field.
    """
    record = parse_record(detail)
    trigger = _TRIGGERS.get(record.name)
    subject = subject_of(detail)
    if trigger is None or subject is None:
        raise EventNotUnderstood(f"{record.name[:80]!a} of {record.source[:80]!a} is not an event about a user.")
    return UserEvent(record, subject, trigger, _text(record.request, ("serialNumber",)))


def _role_session(identity: Fields) -> tuple[str | None, str | None]:
    """Return role and session from `arn:aws:sts::111122223333:assumed-role/ROLE/SESSION` or `AROA...:SESSION`."""
    role, _, session = _after(":assumed-role/", _text(identity, ("arn",))).partition("/")
    return role or None, session or _after(":", _text(identity, ("principalId",))) or None


def _after(separator: str, text: str | None) -> str:
    return text.partition(separator)[2] if text else ""


def _fields(value: object) -> Fields:
    return value if isinstance(value, Mapping) else {}


def _text(fields: Fields, path: tuple[str, ...]) -> str | None:
    for key in path[:-1]:
        fields = _fields(fields.get(key))
    value = fields.get(path[-1])
    return value if isinstance(value, str) and value else None


def _required(detail: Fields, key: str) -> str:
    value = _text(detail, (key,))
    if value is None:
        raise EventNotUnderstood(f"The record has no {key}.")
    return value


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
        # The first and the last day of the calendar have no counterpart in other zones.
        utc = time.astimezone(UTC) if time.tzinfo else None
    except (ValueError, OverflowError):
        utc = None
    if utc is None:
        raise EventNotUnderstood(f"The record's eventTime is not a UTC time: {text[:40]!a}.")
    return utc
