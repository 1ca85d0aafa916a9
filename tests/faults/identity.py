"""A user changes who they are: renamed, deleted and recreated, or their name is taken, between any two calls."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from moto.dynamodb.models import dynamodb_backends
from moto.iam.models import IAMBackend, User

from mfa_guard.core.times import utc_text
from mfa_guard_emulator.aws.iam_consistency import parts_of
from support.account import Account
from support.factories import detail, envelope

_PASSWORD: Final = "Not-a-real-passw0rd"
_EXEMPT_FOR: Final = timedelta(days=30)


class Identity(StrEnum):
    """What happens to the user.

    RECREATED: deleted, and another user is created with the same name. NAME_TAKEN: renamed, and another user is created
    with the old name, who is exempt exactly if the first user is not.
    """

    RENAMED = "renamed"
    RECREATED = "recreated"
    NAME_TAKEN = "name taken"


def change_identity(account: Account, name: str, change: Identity) -> list[Mapping[str, Any]]:
    """Change a user directly in moto's state, and return the events of it. A user who is gone stays gone."""
    if name not in account.iam.users:
        return []
    return _CHANGES[change](account, name)


def exempt_ids(account: Account, now: datetime) -> frozenset[str]:
    """Return the ids of the users with an exemption in force."""
    items = (item.to_regular_json() for item in _exemptions(account).all_items())
    return frozenset(item["user_id"] for item in items if datetime.fromisoformat(item["expires_at"]) > now)


def create_response(user: User) -> Mapping[str, object]:
    """Return what CloudTrail records of the response of CreateUser."""
    created = user.create_date.strftime("%b %-d, %Y, %-I:%M:%S %p")
    return {
        "user": {
            "path": user.path,
            "userName": user.name,
            "userId": user.id,
            "arn": user.arn,
            "createDate": created,
        }
    }


def _rename(account: Account, name: str) -> list[Mapping[str, Any]]:
    new_name = f"{name}-renamed"
    account.iam.update_user(name, None, new_name)
    return [_event(account, "UpdateUser", {"userName": name, "newUserName": new_name})]


def _recreate(account: Account, name: str) -> list[Mapping[str, Any]]:
    iam = account.iam
    with account.iam_reads.stale.changing(lambda: parts_of(iam, name)):
        path = iam.users[name].path
        _delete(iam, name)
        return _create(account, name, path)


def _take_name(account: Account, name: str) -> list[Mapping[str, Any]]:
    was_exempt = account.iam.users[name].id in exempt_ids(account, account.clock.now())
    renamed = _rename(account, name)
    created = _create(account, name, "/")
    if not was_exempt:
        _exempt(account, account.iam.users[name])
    return [*renamed, *created]


_CHANGES: Final = {Identity.RENAMED: _rename, Identity.RECREATED: _recreate, Identity.NAME_TAKEN: _take_name}


def _delete(iam: IAMBackend, name: str) -> None:
    """Delete a user as IAM requires it: first everything that belongs to the user."""
    user = iam.users[name]
    for policy in list(user.managed_policies):
        iam.detach_user_policy(policy, name)
    for group in iam.get_groups_for_user(name):
        iam.remove_user_from_group(group.name, name)
    for key in list(user.access_keys):
        iam.delete_access_key(key.access_key_id, name)
    for serial in list(user.mfa_devices):
        iam.deactivate_mfa_device(name, serial)
        iam.virtual_mfa_devices.pop(serial, None)
    iam.delete_user(name)


def _create(account: Account, name: str, path: str) -> list[Mapping[str, Any]]:
    user = account.iam.create_user(account.stack.region, name, path)
    account.iam.create_login_profile(name, _PASSWORD)
    return [
        _event(account, "CreateUser", {"userName": name, "path": path}, create_response(user)),
        _event(account, "CreateLoginProfile", {"userName": name}),
    ]


def _exempt(account: Account, user: User) -> None:
    """Record an exemption in the table's state, because a call would count as one of the function under test."""
    item = {
        "user_id": user.id,
        "user_name": user.name,
        "owner": "platform",
        "reason": "build machine",
        "created_by": "nadia",
        "expires_at": utc_text(account.clock.now() + _EXEMPT_FOR),
    }
    _exemptions(account).put_item({name: {"S": value} for name, value in item.items()})


def _exemptions(account: Account) -> Any:  # noqa: ANN401 - moto's table
    tables = dynamodb_backends[account.stack.account][account.stack.region].tables
    return tables[account.stack.physical_id("ExemptionsTable")]


def _event(
    account: Account, name: str, request: Mapping[str, object], response: Mapping[str, object] | None = None
) -> Mapping[str, Any]:
    now = account.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    return envelope(detail(name, request, eventTime=now, responseElements=response))
