"""moto's IAM with eventual consistency: reads show what `StaleReads` says, and writes act on what is true."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from functools import wraps
from inspect import signature
from typing import Any, Final, TypeAlias
from unittest.mock import patch

from moto.core.exceptions import AccessDeniedError
from moto.core.responses import ActionResult
from moto.iam.exceptions import NoSuchEntity, NotFoundException
from moto.iam.models import IAMBackend, User, VirtualMfaDevice
from moto.iam.responses import IamResponse

from mfa_guard_emulator.aws.stale_reads import Kind, StaleReads

# What moto's answers consist of.
Shown: TypeAlias = Mapping[str, Any]

# The kinds of parts that each change of a user may change.
_ALL: Final = tuple(Kind)
_CHANGES: Final[Mapping[str, tuple[Kind, ...]]] = {
    "create_user": _ALL,
    "delete_user": _ALL,
    "update_user": _ALL,
    "tag_user": (Kind.USERS,),
    "untag_user": (Kind.USERS,),
    "attach_user_policy": (Kind.ATTACHMENTS,),
    "detach_user_policy": (Kind.ATTACHMENTS,),
    "add_user_to_group": (Kind.GROUPS,),
    "remove_user_from_group": (Kind.GROUPS,),
    "create_login_profile": (Kind.PROFILES,),
    "update_login_profile": (Kind.PROFILES,),
    "delete_login_profile": (Kind.PROFILES,),
    "create_access_key": (Kind.KEYS,),
    "update_access_key": (Kind.KEYS,),
    "delete_access_key": (Kind.KEYS,),
    "enable_mfa_device": (Kind.DEVICES,),
    "deactivate_mfa_device": (Kind.DEVICES,),
}
# The call that differs from moto's even if no read shows the past.
_OF_A_KEY: Final = "get_access_key_last_used"
_KEY_ACTION: Final = "iam:GetAccessKeyLastUsed"
# A call's parameters that name a user, after the backend itself.
_NAMES: Final = ("user_name", "name", "new_user_name")


def parts_of(backend: IAMBackend, name: str) -> Mapping[tuple[Kind, str], object]:
    """Return every part of the user with a name, as it is."""
    return {(kind, name): _part(backend, kind, name) for kind in Kind}


def patch_consistency(patches: ExitStack, reads: StaleReads) -> None:
    """Let IAM's reads show the past while `reads` says so. Other patches of the same calls must come first."""
    for operation, kinds in _CHANGES.items():
        patches.enter_context(patch.object(IAMBackend, operation, _remembering(operation, kinds, reads)))
    for operation, answer in _ANSWERS.items():
        patches.enter_context(patch.object(IamResponse, operation, _answering(operation, answer, reads)))


def _remembering(operation: str, kinds: Iterable[Kind], reads: StaleReads) -> Callable[..., object]:
    change: Callable[..., object] = getattr(IAMBackend, operation)
    names = list(signature(change).parameters)

    @wraps(change)
    def remembering(backend: IAMBackend, *arguments: object, **more: object) -> object:
        given = {**dict(zip(names[1:], arguments, strict=False)), **more}
        changed = [str(given[each]) for each in _NAMES if given.get(each)]
        with reads.changing(lambda: {(kind, name): _part(backend, kind, name) for kind in kinds for name in changed}):
            return change(backend, *arguments, **more)

    return remembering


def _part(backend: IAMBackend, kind: Kind, name: str) -> object:
    user = backend.users.get(name)
    return None if user is None else _PARTS[kind](user)


def _user(user: User) -> Shown:
    return {
        "Path": user.path,
        "UserName": user.name,
        "UserId": user.id,
        "Arn": user.arn,
        "CreateDate": user.create_date,
        "Tags": [dict(tag) for tag in user.tags or []],
    }


def _attachments(user: User) -> Iterable[Shown]:
    return tuple({"PolicyName": each.name, "PolicyArn": each.arn} for each in user.managed_policies.values())


def _keys(user: User) -> Iterable[Shown]:
    return tuple(
        {
            "UserName": user.name,
            "AccessKeyId": key.access_key_id,
            "Status": key.status,
            "CreateDate": key.create_date,
        }
        for key in user.access_keys
    )


def _devices(user: User) -> Iterable[Shown]:
    return tuple(
        {"UserName": user.name, "SerialNumber": each.serial_number, "EnableDate": each.enable_date}
        for each in user.mfa_devices.values()
    )


def _profile(user: User) -> Iterable[Shown]:
    """Return the login profile, if there is one."""
    shown = {
        "UserName": user.name,
        "CreateDate": user.create_date,
        "PasswordResetRequired": user.password_reset_required,
    }
    return (shown,) if user.password else ()


_PARTS: Final[Mapping[Kind, Callable[[User], object]]] = {
    Kind.ATTACHMENTS: _attachments,
    Kind.GROUPS: lambda user: tuple(user.group_list),
    Kind.KEYS: _keys,
    Kind.DEVICES: _devices,
    Kind.PROFILES: _profile,
    Kind.USERS: _user,
}


def _answering(operation: str, answer: "_Answer", reads: StaleReads) -> Callable[[IamResponse], ActionResult]:
    respond: Callable[[IamResponse], ActionResult] = getattr(IamResponse, operation)

    def answering(response: IamResponse) -> ActionResult:
        shown = answer(response, reads) if reads.may_show_past or operation == _OF_A_KEY else None
        return respond(response) if shown is None else ActionResult(shown)

    return answering


# Returns None where the answer is the same as without eventual consistency.
_Answer: TypeAlias = Callable[[IamResponse, StaleReads], Shown | None]


def _shown_part(response: IamResponse, reads: StaleReads, kind: Kind) -> Any:  # noqa: ANN401 - as moto answers it
    """Return a part of the user that a call names, as a read shows it. Raises IAM's error for a user it does not show.

    Return None for a part that is shown as it is.
    """
    name = response._get_param("UserName")  # noqa: SLF001 - moto has no public method that reads a parameter
    if not name:
        return None
    current = _part(response.backend, kind, name)
    shown = reads.shown(kind, name, current)
    if shown is None:
        raise NoSuchEntity(f"The user with name {name} cannot be found.")
    return None if shown == current else shown


def _listing(kind: Kind, key: str) -> _Answer:
    def answer(response: IamResponse, reads: StaleReads) -> Shown | None:
        shown = _shown_part(response, reads, kind)
        return None if shown is None else {key: list(shown), "IsTruncated": False}

    return answer


def _get_user(response: IamResponse, reads: StaleReads) -> Shown | None:
    shown = _shown_part(response, reads, Kind.USERS)
    return None if shown is None else {"User": shown}


def _get_login_profile(response: IamResponse, reads: StaleReads) -> Shown | None:
    shown = _shown_part(response, reads, Kind.PROFILES)
    if shown == ():
        raise NotFoundException("The login profile cannot be found.")
    return None if shown is None else {"LoginProfile": shown[0]}


def _list_groups(response: IamResponse, reads: StaleReads) -> Shown | None:
    shown, groups = _shown_part(response, reads, Kind.GROUPS), response.backend.groups
    if shown is None:
        return None
    return {"Groups": [groups[name] for name in shown if name in groups], "IsTruncated": False}


def _key_last_used(response: IamResponse, reads: StaleReads) -> Shown | None:
    key_id = response._get_param("AccessKeyId")  # noqa: SLF001 - as above
    current = {name: _keys(user) for name, user in response.backend.users.items()}
    owner = _owner(key_id, reads.all_shown(Kind.KEYS, current))
    if owner is None:
        # No policy can allow access to a key that has no user.
        raise AccessDeniedError(f"arn:{response.backend.partition}:iam::{response.current_account}:root", _KEY_ACTION)
    if owner == _owner(key_id, current):
        return None
    # The key's owner was renamed, or the key was deleted, which this read does not show.
    return {"UserName": owner, "AccessKeyLastUsed": {"LastUsedDate": None, "Region": "N/A", "ServiceName": "N/A"}}


def _owner(key_id: str, listed: Mapping[str, Iterable[Shown] | None]) -> str | None:
    return next((name for name, keys in listed.items() for key in keys or () if key["AccessKeyId"] == key_id), None)


_ANSWERS: Final[Mapping[str, _Answer]] = {
    "get_user": _get_user,
    "get_login_profile": _get_login_profile,
    _OF_A_KEY: _key_last_used,
    "list_access_keys": _listing(Kind.KEYS, "AccessKeyMetadata"),
    "list_attached_user_policies": _listing(Kind.ATTACHMENTS, "AttachedPolicies"),
    "list_groups_for_user": _list_groups,
    "list_mfa_devices": _listing(Kind.DEVICES, "MFADevices"),
}


def shown_users(backend: IAMBackend, reads: StaleReads) -> list[Shown]:
    """Return the users that ListUsers shows."""
    return [user for user in _all_shown(backend, reads, Kind.USERS).values() if user]


def shown_details(backend: IAMBackend, reads: StaleReads) -> list[Shown]:
    """Return the users that GetAccountAuthorizationDetails shows, with their attachments and groups."""
    attachments = _all_shown(backend, reads, Kind.ATTACHMENTS)
    groups = _all_shown(backend, reads, Kind.GROUPS)
    return [
        {
            **user,
            "GroupList": list(groups.get(name) or ()),
            "AttachedManagedPolicies": list(attachments.get(name) or ()),
            "UserPolicyList": [],
        }
        for name, user in _all_shown(backend, reads, Kind.USERS).items()
        if user
    ]


def shown_virtual_devices(
    backend: IAMBackend, reads: StaleReads, assigned: Iterable[VirtualMfaDevice]
) -> list[VirtualMfaDevice | Shown]:
    """Return the devices that ListVirtualMFADevices shows as assigned, of those that are `assigned`."""
    of_root = [device for device in assigned if device.user is None or device.user.name not in backend.users]
    of_users = [
        {**device, "User": {"UserName": name, "Arn": f"arn:{backend.partition}:iam::{backend.account_id}:user/{name}"}}
        for name, devices in _all_shown(backend, reads, Kind.DEVICES).items()
        for device in devices or ()
        if ":mfa/" in device["SerialNumber"]
    ]
    return [*of_root, *of_users]


def _all_shown(backend: IAMBackend, reads: StaleReads, kind: Kind) -> Mapping[str, Any]:
    return reads.all_shown(kind, {name: _PARTS[kind](user) for name, user in backend.users.items()})
