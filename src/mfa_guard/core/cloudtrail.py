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
SIGN_IN: Final = "signin.amazonaws.com"
ROOT_NAME: Final = "AWS ROOT USER"
REQUESTED_USER: Final[Path] = ("requestParameters", "userName")

# https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateUser.html
NAME_CHARACTER: Final = r"[A-Za-z0-9_+=,.@-]"
USER_NAME: Final = re.compile(NAME_CHARACTER + "{1,64}")
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
USER_ID: Final = re.compile("AIDA[A-Z0-9]{1,124}")
# The ids of access keys, service-specific credentials, SSH keys and certificates, as IAM's API reference allows them.
CREDENTIAL_ID: Final = re.compile("[A-Za-z0-9_]{1,128}")
_NAMES_OF: Final[Mapping[re.Pattern[str], str]] = {
    USER_NAME: "a user whose name",
    USER_ID: "a user whose id",
    CREDENTIAL_ID: "a credential whose id",
}

# How exposure names the console password.
PASSWORD: Final = "password"  # nosec B105 # noqa: S105 - a word, not a password


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
    PASSWORD_REMOVED = "password removed"  # nosec B105 # noqa: S105 - a trigger, not a password
    DEVICE_ENABLED = "device enabled"
    DEVICE_REMOVED = "device removed"
    ENFORCEMENT_REMOVED = "enforcement removed"
    TAGS_CHANGED = "tags changed"
    RENAMED = "renamed"
    BOUNDARY_CHANGED = "boundary changed"
    SIGNED_IN_WITHOUT_MFA = "signed in without MFA"


@dataclass(frozen=True)
class Actor:
    """The principal that made the API call, as far as the record shows.

    `session` is the name of a role session. `key_id` is the id of the long-term access key that signed the call, or
    None if the call was made with a session. `mfa` tells whether the actor's session has MFA, or is None if the record
    does not show it. `id` is the user id of an IAM user.
    """

    kind: ActorKind
    name: str | None = None
    session: str | None = None
    key_id: str | None = None
    mfa: bool | None = None
    id: str | None = None

    @property
    def label(self) -> str:
        """Return `user/NAME`, `role/NAME/SESSION`, `root`, `service/NAME` and so on."""
        return "/".join(part for part in (self.kind.value, self.name, self.session) if part)


@dataclass(frozen=True)
class Subject:
    """The IAM user or the root user that an event is about.

    A user has a name, an id (`AIDA...`), or both. The name may be out of date, because users are renamed; the id never
    is. Root has neither.
    """

    kind: SubjectKind
    name: str | None = None
    id: str | None = None

    @property
    def label(self) -> str:
        """Return `user/NAME`, `user/AIDA...` for a user without a name, or `root`."""
        return "/".join(part for part in (self.kind.value, self.name or self.id) if part)


ROOT_SUBJECT: Final = Subject(SubjectKind.ROOT)


@dataclass(frozen=True)
class Record:
    """The fields of a CloudTrail record that notices need. `time` is in UTC; `region` is where the call was made."""

    id: str
    name: str
    source: str
    time: datetime
    actor: Actor
    address: str | None
    user_agent: str | None
    request: Fields
    region: str | None = None


@dataclass(frozen=True)
class UserEvent:
    """A record about one user.

    `device` is the serial number of the device that the record names. `announced` is the credential that works since
    this call, as exposure names it: `password`, or the id of an access key, a service-specific credential, an SSH key
    or a certificate. `key_id` is the access key that the record is about. `old_name` is the name that the user had
    before. Each is None if the record has none.
    """

    record: Record
    subject: Subject
    trigger: Trigger
    device: str | None
    announced: str | None = None
    key_id: str | None = None
    old_name: str | None = None

    @property
    def by_subject(self) -> bool:
        """Tell whether the actor is the subject: by id if the record has both ids, otherwise by name."""
        actor, subject = self.record.actor, self.subject
        if actor.kind is not ActorKind.USER:
            return False
        if actor.id and subject.id:
            return actor.id == subject.id
        return actor.name is not None and actor.name == subject.name


@dataclass(frozen=True)
class _SubjectSource:
    """Where a record names its subject: the first of `names` that it has, and the user id at `id`.

    `caller`: the API defaults to its caller.
    """

    names: tuple[Path, ...] = (REQUESTED_USER,)
    id: Path | None = None
    caller: bool = False


@dataclass(frozen=True)
class _CredentialSource:
    """Where a record names a credential: the id at `id`, or the word `word`.

    `when_active`: the call changes the credential's status, and announces it only if the new status is Active.
    """

    id: Path | None = None
    word: str | None = None
    when_active: bool = False


@dataclass(frozen=True)
class _Shape:
    """What the records of one event name say: the subject, why the guard looks at it, and the announced credential.

    Without a `trigger`, the guard does not act on the event.
    """

    subject: _SubjectSource
    trigger: Trigger | None = None
    announces: _CredentialSource = _CredentialSource()


_REQUESTED: Final = _SubjectSource()
_REQUESTED_OR_CALLER: Final = _SubjectSource(caller=True)
_PASSWORD: Final = _CredentialSource(word=PASSWORD)
_STATUS: Final[Path] = ("requestParameters", "status")


def _named_in_response(element: str, id_key: str, trigger: Trigger, *, caller: bool = False) -> _Shape:
    """Return the shape of a call that creates a credential: the response names the user and the credential."""
    user: Path = ("responseElements", element, "userName")
    subject = _SubjectSource((user, REQUESTED_USER), caller=caller)
    return _Shape(subject, trigger, _CredentialSource(("responseElements", element, id_key)))


def _activated(id_key: str, *, caller: bool) -> _Shape:
    """Return the shape of a call that sets the status of a credential."""
    credential = _CredentialSource(("requestParameters", id_key), when_active=True)
    return _Shape(_SubjectSource(caller=caller), Trigger.NEW_CREDENTIAL, credential)


# What IAM's records say, by event name. A parameter's name is the API's with a small first letter, so SSHPublicKeyId is
# sSHPublicKeyId. https://docs.aws.amazon.com/IAM/latest/UserGuide/cloudtrail-integration.html
# CreateVirtualMFADevice and DeleteVirtualMFADevice are absent: they name a device, and its name is not a user's name.
_IAM_SHAPES: Final[Mapping[str, _Shape]] = {
    "CreateUser": _Shape(
        _SubjectSource(
            (("responseElements", "user", "userName"), REQUESTED_USER), id=("responseElements", "user", "userId")
        ),
        Trigger.NEW_USER,
    ),
    "UpdateUser": _Shape(
        _SubjectSource((("requestParameters", "newUserName"), REQUESTED_USER)),
        Trigger.RENAMED,
    ),
    "DeleteUser": _Shape(_REQUESTED),
    "CreateAccessKey": _named_in_response("accessKey", "accessKeyId", Trigger.NEW_CREDENTIAL, caller=True),
    "UpdateAccessKey": _activated("accessKeyId", caller=True),
    "DeleteAccessKey": _Shape(_REQUESTED_OR_CALLER),
    "CreateLoginProfile": _Shape(
        _SubjectSource((REQUESTED_USER, ("responseElements", "loginProfile", "userName")), caller=True),
        Trigger.NEW_CREDENTIAL,
        _PASSWORD,
    ),
    "UpdateLoginProfile": _Shape(_REQUESTED, Trigger.NEW_CREDENTIAL, _PASSWORD),
    "DeleteLoginProfile": _Shape(_REQUESTED_OR_CALLER, Trigger.PASSWORD_REMOVED),
    "ChangePassword": _Shape(_SubjectSource((), caller=True)),
    "CreateServiceSpecificCredential": _named_in_response(
        "serviceSpecificCredential", "serviceSpecificCredentialId", Trigger.NEW_CREDENTIAL
    ),
    "ResetServiceSpecificCredential": _Shape(
        _REQUESTED_OR_CALLER,
        Trigger.NEW_CREDENTIAL,
        _CredentialSource(("requestParameters", "serviceSpecificCredentialId")),
    ),
    "UpdateServiceSpecificCredential": _activated("serviceSpecificCredentialId", caller=True),
    "UploadSSHPublicKey": _named_in_response("sSHPublicKey", "sSHPublicKeyId", Trigger.NEW_CREDENTIAL),
    "UpdateSSHPublicKey": _activated("sSHPublicKeyId", caller=False),
    "UploadSigningCertificate": _named_in_response("certificate", "certificateId", Trigger.NEW_CREDENTIAL, caller=True),
    "UpdateSigningCertificate": _activated("certificateId", caller=True),
    "EnableMFADevice": _Shape(_REQUESTED, Trigger.DEVICE_ENABLED),
    "DeactivateMFADevice": _Shape(_REQUESTED_OR_CALLER, Trigger.DEVICE_REMOVED),
    "ResyncMFADevice": _Shape(_REQUESTED),
    "AttachUserPolicy": _Shape(_REQUESTED),
    "DetachUserPolicy": _Shape(_REQUESTED, Trigger.ENFORCEMENT_REMOVED),
    "PutUserPolicy": _Shape(_REQUESTED),
    "DeleteUserPolicy": _Shape(_REQUESTED),
    "PutUserPermissionsBoundary": _Shape(_REQUESTED, Trigger.BOUNDARY_CHANGED),
    "DeleteUserPermissionsBoundary": _Shape(_REQUESTED, Trigger.BOUNDARY_CHANGED),
    "AddUserToGroup": _Shape(_REQUESTED),
    "RemoveUserFromGroup": _Shape(_REQUESTED, Trigger.ENFORCEMENT_REMOVED),
    "TagUser": _Shape(_REQUESTED, Trigger.TAGS_CHANGED),
    "UntagUser": _Shape(_REQUESTED, Trigger.TAGS_CHANGED),
}

# A user's sign-in has the user's id, and most often the name. https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-aws-console-sign-in-events.html
_SIGN_IN_SHAPE: Final = _Shape(
    _SubjectSource((("userIdentity", "userName"),), id=("userIdentity", "principalId")),
    Trigger.SIGNED_IN_WITHOUT_MFA,
)
_SHAPES: Final[Mapping[tuple[str, str], _Shape]] = {
    **{(IAM, name): shape for name, shape in _IAM_SHAPES.items()},
    (SIGN_IN, "ConsoleLogin"): _SIGN_IN_SHAPE,
}

# Event name -> where the record names an access key: GetAccessKeyLastUsed finds the user of this key.
_ACCESS_KEYS: Final[Mapping[str, Path]] = {
    "CreateAccessKey": ("responseElements", "accessKey", "accessKeyId"),
    "UpdateAccessKey": ("requestParameters", "accessKeyId"),
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
_UNKNOWN: Final = (ActorKind.UNKNOWN, (("userName",), ("principalId",), ("arn",)))


def actor_of(detail: Fields) -> Actor:
    """Return who made the call; the kind is UNKNOWN if the record does not show it. Never raises."""
    identity = fields_of(detail.get("userIdentity"))
    # A call that a service makes on its own may have no type.
    is_service = identity.get("type") is None and text_at(identity, "invokedBy") is not None
    kind, paths = _ACTORS.get("AWSService" if is_service else str(identity.get("type")), _UNKNOWN)
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
        id=_user_id(identity) if kind is ActorKind.USER else None,
    )


def subject_of(detail: Fields) -> Subject | None:
    """Return the user that the record is about, or None if it is not about a user.

    Raises EventNotUnderstood if the record should name a user and does not, or names one that IAM does not allow.
    """
    shape = _shape(detail)
    if shape is None:
        return None
    name, source = detail["eventName"], shape.subject
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
    named = next((text for path in source.names if (text := text_at(detail, *path)) is not None), None)
    user_id = _checked_at(detail, source.id, USER_ID)
    if requested is None and source.caller and actor.kind is ActorKind.USER:
        named, user_id = named or actor.name, actor.id
    if named is None and user_id is None:
        raise EventNotUnderstood(f"{name} does not say which user it is about.")
    return Subject(SubjectKind.USER, named and _checked(detail, named, USER_NAME), user_id)


def _shape(detail: Fields) -> _Shape | None:
    source, name = detail.get("eventSource"), detail.get("eventName")
    shape = _SHAPES.get((source, name)) if isinstance(source, str) and isinstance(name, str) else None
    # Root and role sessions sign in too, and are no users.
    return None if shape is _SIGN_IN_SHAPE and actor_of(detail).kind is not ActorKind.USER else shape


def _checked(detail: Fields, text: str, allowed: re.Pattern[str]) -> str:
    if not allowed.fullmatch(text):
        name, what = detail["eventName"], _NAMES_OF[allowed]
        raise EventNotUnderstood(f"{name} names {what} IAM does not allow: {text[:80]!a}.")
    return text


def _checked_at(detail: Fields, path: Path | None, allowed: re.Pattern[str]) -> str | None:
    """Return the text at a path, or None if there is none. Raises EventNotUnderstood if IAM does not allow the text."""
    found = text_at(detail, *path) if path else None
    return None if found is None else _checked(detail, found, allowed)


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
        region=text_at(detail, "awsRegion"),
    )


def parse_user_event(detail: Fields) -> UserEvent:
    """Return the event about one user that UserEventFunction acts on.

    Raises EventNotUnderstood if the event name has no trigger, the record has no subject, or a field is missing or is
    not what CloudTrail writes.
    """
    record = parse_record(detail)
    subject = subject_of(detail)
    shape = _shape(detail)
    if shape is _SIGN_IN_SHAPE and not _succeeded_without_mfa(detail):
        shape = None
    if shape is None or shape.trigger is None or subject is None:
        raise EventNotUnderstood(f"{record.name[:80]!a} of {record.source[:80]!a} is not an event about a user.")
    return UserEvent(
        record,
        subject,
        shape.trigger,
        device=text_at(record.request, "serialNumber"),
        announced=_announced(detail, shape.announces),
        key_id=_checked_at(detail, _ACCESS_KEYS.get(record.name), CREDENTIAL_ID),
        old_name=_old_name(detail) if shape.trigger is Trigger.RENAMED else None,
    )


def _succeeded_without_mfa(sign_in: Fields) -> bool:
    """Tell whether a sign-in succeeded without MFA. CloudTrail writes MFAUsed as Yes, YES, No, or not at all."""
    mfa_used = text_at(sign_in, "additionalEventData", "MFAUsed") or "No"
    return text_at(sign_in, "responseElements", "ConsoleLogin") == "Success" and mfa_used.lower() != "yes"


def _announced(detail: Fields, source: _CredentialSource) -> str | None:
    if source.when_active and text_at(detail, *_STATUS) != "Active":
        return None
    return source.word or _checked_at(detail, source.id, CREDENTIAL_ID)


def _old_name(detail: Fields) -> str | None:
    """Return the name of a user before UpdateUser, or None if the call did not change it."""
    old, new = _checked_at(detail, REQUESTED_USER, USER_NAME), text_at(detail, "requestParameters", "newUserName")
    return old if new and new != old else None


def _user_id(identity: Fields) -> str | None:
    found = text_at(identity, "principalId")
    return found if found and USER_ID.fullmatch(found) else None


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
