"""Parse CloudTrail records: who the actor and the subject are, and why the guard looks at the subject.

A record is a hint, because its text can come from strangers. This module decides nothing.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, TypeAlias

Fields: TypeAlias = Mapping[str, object]
Path: TypeAlias = tuple[str, ...]

IAM: Final = "iam.amazonaws.com"
ROOT_NAME: Final = "AWS ROOT USER"
REQUESTED_USER: Final[Path] = ("requestParameters", "userName")

# https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateUser.html
NAME_CHARACTER: Final = r"[A-Za-z0-9_+=,.@-]"
USER_NAME: Final = re.compile(NAME_CHARACTER + "{1,64}")


class EventNotUnderstood(ValueError):
    """A record that matched a rule lacks what it should have; the message is one sentence."""


class ActorKind(StrEnum):
    """The kind of principal that made an API call, from `userIdentity.type`."""

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
    """The kinds of subjects."""

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
    """The principal that made the API call, as far as the record shows.

    `session` is the name of a role session. `key_id` is the id of the long-term access key that signed the call, or
    None if the call was made with a session. `mfa` tells whether the actor's session has MFA, or is None if the record
    does not show it.
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
    """The IAM user or the root user that an event is about. The name of root is None."""

    kind: SubjectKind
    name: str | None = None


ROOT_SUBJECT: Final = Subject(SubjectKind.ROOT)


@dataclass(frozen=True)
class Record:
    """The fields of a CloudTrail record that every notice needs. `time` is in UTC."""

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
    """A record about one user. `device` is the serial number of the device that the record names, or None."""

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
class _SubjectSource:
    """Where a record names its subject: the first of `paths` that it has. `caller`: the API defaults to its caller."""

    paths: tuple[Path, ...] = (REQUESTED_USER,)
    caller: bool = False


_REQUESTED: Final = _SubjectSource()
_REQUESTED_OR_CALLER: Final = _SubjectSource(caller=True)

# Event name -> where the record names its subject. https://docs.aws.amazon.com/IAM/latest/UserGuide/cloudtrail-integration.html
# CreateVirtualMFADevice and DeleteVirtualMFADevice are absent: they name a device, and its name is not a user's name.
_SUBJECTS: Final[Mapping[str, _SubjectSource]] = {
    "CreateUser": _SubjectSource((("responseElements", "user", "userName"), REQUESTED_USER)),
    "UpdateUser": _SubjectSource((("requestParameters", "newUserName"), REQUESTED_USER)),
    "DeleteUser": _REQUESTED,
    "CreateAccessKey": _SubjectSource((("responseElements", "accessKey", "userName"), REQUESTED_USER), caller=True),
    "UpdateAccessKey": _REQUESTED_OR_CALLER,
    "DeleteAccessKey": _REQUESTED_OR_CALLER,
    "CreateLoginProfile": _SubjectSource(
        (REQUESTED_USER, ("responseElements", "loginProfile", "userName")), caller=True
    ),
    "UpdateLoginProfile": _REQUESTED,
    "DeleteLoginProfile": _REQUESTED_OR_CALLER,
    "ChangePassword": _SubjectSource((), caller=True),
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

# userIdentity.type -> the actor's kind and the paths of its name; the first path that the record has wins.
# https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html
_ACTORS: Final[Mapping[str, tuple[ActorKind, tuple[Path, ...]]]] = {
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
    """Return who made the call; the kind is UNKNOWN if the record does not show it. Never raises."""
    identity = fields_of(detail.get("userIdentity"))
    kind, paths = _ACTORS.get(str(identity.get("type")), (ActorKind.UNKNOWN, (("principalId",), ("arn",))))
    name = next((text for path in paths if (text := text_at(identity, *path))), None)
    session = None
    if kind is ActorKind.ROLE:
        role, session = _role_session(identity)
        name = name or role
    if name and name.startswith("arn:"):
        name = name.rpartition("/")[2]
    context = fields_of(identity.get("sessionContext"))
    key_id = text_at(identity, "accessKeyId")
    mfa = text_at(context, "attributes", "mfaAuthenticated")
    return Actor(
        kind=kind,
        name=name,
        session=session,
        key_id=key_id if not context and key_id and key_id.startswith("AKIA") else None,
        mfa=None if mfa is None else mfa.lower() == "true",
    )


def subject_of(detail: Fields) -> Subject | None:
    """Return the user that the record is about, or None if it is not about a user.

    Raises EventNotUnderstood if the record should name a user and does not.
    """
    name = detail.get("eventName")
    source = _SUBJECTS.get(name) if isinstance(name, str) and detail.get("eventSource") == IAM else None
    if source is None:
        return None
    request = detail.get("requestParameters")
    if not isinstance(request, Mapping | None) or not isinstance(fields_of(request).get("userName"), str | None):
        raise EventNotUnderstood(f"{name} has request parameters that CloudTrail does not write.")
    actor = actor_of(detail)
    requested = text_at(detail, *REQUESTED_USER)
    if requested == ROOT_NAME:
        return ROOT_SUBJECT
    # The response may have the account's alias as root's user name, so it is not read.
    if requested is None and source.caller and actor.kind is ActorKind.ROOT:
        return ROOT_SUBJECT
    named = next((text for path in source.paths if (text := text_at(detail, *path)) is not None), None)
    if named is None and source.caller and actor.kind is ActorKind.USER:
        named = actor.name
    if named is None:
        raise EventNotUnderstood(f"{name} does not say which user it is about.")
    if not USER_NAME.fullmatch(named):
        raise EventNotUnderstood(f"{name} names a user whose name IAM does not allow: {named[:80]!a}.")
    return Subject(SubjectKind.USER, named)


def parse_record(detail: Fields) -> Record:
    """Return the fields that every notice needs.

    Raises EventNotUnderstood if the record lacks its id, name, source or time.
    """
    return Record(
        id=_required(detail, "eventID"),
        name=_required(detail, "eventName"),
        source=_required(detail, "eventSource"),
        time=_time(_required(detail, "eventTime")),
        actor=actor_of(detail),
        address=text_at(detail, "sourceIPAddress"),
        user_agent=text_at(detail, "userAgent"),
        request=fields_of(detail.get("requestParameters")),
    )


def parse_user_event(detail: Fields) -> UserEvent:
    """Return the event about one user that UserEventFunction acts on.

    Raises EventNotUnderstood if the event name has no trigger, the record has no subject, or a field is missing.
    """
    record = parse_record(detail)
    trigger = _TRIGGERS.get(record.name)
    subject = subject_of(detail)
    if trigger is None or subject is None:
        raise EventNotUnderstood(f"{record.name[:80]!a} of {record.source[:80]!a} is not an event about a user.")
    return UserEvent(record, subject, trigger, text_at(record.request, "serialNumber"))


def _role_session(identity: Fields) -> tuple[str | None, str | None]:
    """Return role and session from `arn:aws:sts::111122223333:assumed-role/ROLE/SESSION` or `AROA...:SESSION`."""
    role, _, session = _after(":assumed-role/", text_at(identity, "arn")).partition("/")
    return role or None, session or _after(":", text_at(identity, "principalId")) or None


def _after(separator: str, text: str | None) -> str:
    return text.partition(separator)[2] if text else ""


def fields_of(value: object) -> Fields:
    """Return a JSON object's fields; none if the value is not an object."""
    return value if isinstance(value, Mapping) else {}


def text_at(fields: Fields, *path: str) -> str | None:
    """Return the text at a path through nested JSON objects, or None if there is no text or an empty text."""
    for key in path[:-1]:
        fields = fields_of(fields.get(key))
    value = fields.get(path[-1])
    return value if isinstance(value, str) and value else None


def _required(detail: Fields, key: str) -> str:
    value = text_at(detail, key)
    if value is None:
        raise EventNotUnderstood(f"The record has no {key}.")
    return value


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
        # The first and the last day of the calendar may not exist in UTC.
        utc = time.astimezone(UTC) if time.tzinfo else None
    except (ValueError, OverflowError):
        utc = None
    if utc is None:
        raise EventNotUnderstood(f"The record's eventTime is not a UTC time: {text[:40]!a}.")
    return utc
