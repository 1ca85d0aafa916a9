"""A population of 200 users who are older than the guard, created in moto's IAM.

A user's name tells what the user has, so that a mail about the user can be understood without this file.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

from moto.iam.models import IAMBackend

from mfa_guard.core.times import utc_text
from mfa_guard.core.user import SINCE_TAG, STATUS_TAG
from mfa_guard_cli.stack.template import Stack
from mfa_guard_emulator.aws.baseline import ADMINISTRATOR
from mfa_guard_emulator.aws.key_use import record_key_use
from mfa_guard_emulator.aws.moto_patches import GROUPS_PER_USER, POLICIES_PER_USER
from mfa_guard_emulator.aws.resources import Clients
from mfa_guard_emulator.clock import Clock

_PASSWORD: Final = "Not-a-real-passw0rd"  # noqa: S105 - these users do not exist
_YESTERDAY: Final = timedelta(days=1)
_LONG_AGO: Final = timedelta(days=200)
_DOCUMENT: Final = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:ListAllMyBuckets","Resource":"*"}]}'
)


class Populated(Protocol):
    """An account to fill."""

    @property
    def stack(self) -> Stack: ...
    @property
    def iam(self) -> IAMBackend: ...
    @property
    def clients(self) -> Clients: ...
    @property
    def clock(self) -> Clock: ...


@dataclass(frozen=True)
class UserSetup:
    """What a user has. `key_used`: how long ago the access key was used; None without a key.

    `exempt_for`: for how long an exemption is recorded; the empty text makes the record malformed.
    """

    path: str = "/"
    password: bool = False
    phone: bool = False
    security_key: bool = False
    key_used: timedelta | None = None
    policies: int = 0
    groups: int = 0
    enforced: bool = False
    tagged_for: timedelta | None = None
    exempt_for: timedelta | str | None = None


@dataclass(frozen=True)
class UserType:
    """Users with the same setup."""

    label: str
    names: tuple[str, ...]
    setup: UserSetup


def _numbered(name: str, count: int) -> tuple[str, ...]:
    return tuple(f"{name}-{number:02}" for number in range(1, count + 1))


_QUARTER: Final = timedelta(days=90)

USER_TYPES: Final[tuple[UserType, ...]] = (
    UserType("password, phone", (ADMINISTRATOR, *_numbered("phone", 83)), UserSetup(password=True, phone=True)),
    UserType("password, passkey", _numbered("passkey", 14), UserSetup(password=True, security_key=True)),
    UserType("phone, key in use", _numbered("keyed", 6), UserSetup(password=True, phone=True, key_used=_YESTERDAY)),
    UserType("password only", _numbered("nodevice", 40), UserSetup(password=True)),
    UserType("key in use only", _numbered("machine", 12), UserSetup(key_used=_YESTERDAY)),
    UserType("idle key only", _numbered("idle", 15), UserSetup(key_used=_LONG_AGO)),
    UserType("nothing", _numbered("empty", 6), UserSetup()),
    UserType("exempt by path", _numbered("partner", 8), UserSetup(path="/partners/", key_used=_YESTERDAY)),
    UserType("exempt by table", _numbered("exempt", 7), UserSetup(password=True, exempt_for=_QUARTER)),
    UserType("exempt, 36 h left", ("wanda",), UserSetup(password=True, exempt_for=timedelta(hours=36))),
    UserType(
        "exempt, enforced",
        ("rita",),
        UserSetup(password=True, enforced=True, tagged_for=timedelta(days=3), exempt_for=_QUARTER),
    ),
    UserType("malformed exemption", ("olga",), UserSetup(password=True, exempt_for="")),
    UserType("tagged long ago", ("ivan",), UserSetup(password=True, tagged_for=timedelta(days=100))),
    UserType("10 policies", ("frank",), UserSetup(password=True, policies=POLICIES_PER_USER)),
    UserType(
        "10 policies and groups",
        ("heidi",),
        UserSetup(password=True, policies=POLICIES_PER_USER, groups=GROUPS_PER_USER),
    ),
    UserType("protected by an SCP", ("dennis",), UserSetup(password=True)),
    UserType("deleted in the sweep", ("dora",), UserSetup(password=True)),
)


# Older than the stack, and old enough for machine users.
_AGE: Final = timedelta(days=400)


def populate(account: Populated) -> None:
    """Create the users in the account, without records."""
    iam, region = account.iam, account.stack.region
    arns = [iam.create_policy("", "/", _DOCUMENT, f"Team{number}", []).arn for number in range(POLICIES_PER_USER)]
    groups = [f"team-{number}" for number in range(GROUPS_PER_USER)]
    for group in groups:
        iam.create_group(group)
    for user_type in USER_TYPES:
        for name in user_type.names:
            setup = user_type.setup
            if name != ADMINISTRATOR:
                iam.create_user(region, name, setup.path)
            for arn in arns[: setup.policies]:
                iam.attach_user_policy(arn, name)
            for group in groups[: setup.groups]:
                iam.add_user_to_group(group, name)
            _set_up(account, name, setup)
            if setup.exempt_for is not None:
                record_exemption(account, name, setup.exempt_for)


def _set_up(account: Populated, name: str, setup: UserSetup) -> None:
    iam, stack, now = account.iam, account.stack, account.clock.now()
    iam.get_user(name).create_date -= _AGE
    if setup.password:
        iam.create_login_profile(name, _PASSWORD)
    if setup.phone:
        serial = iam.create_virtual_mfa_device(f"{name}-phone", "/").serial_number
        iam.enable_mfa_device(name, serial, "123456", "654321")
    if setup.security_key:
        # No list of all devices contains security keys; only the credential report tells of them.
        serial = f"arn:{stack.partition}:iam::{stack.account}:u2f/user/{name}/key"
        iam.enable_mfa_device(name, serial, "", "")
    if setup.key_used is not None:
        key_id = iam.create_access_key(name).access_key_id
        record_key_use(iam, stack.region, name, key_id, now - setup.key_used)
    if setup.enforced:
        iam.attach_user_policy(str(stack.resolve({"Ref": "EnforcementPolicy"})), name)
    if setup.tagged_for is not None:
        tags = {STATUS_TAG: "noncompliant", SINCE_TAG: utc_text(now - setup.tagged_for)}
        iam.tag_user(name, [{"Key": key, "Value": value} for key, value in tags.items()])


def record_exemption(account: Populated, name: str, span: timedelta | str) -> None:
    """Record an exemption for a span of time; a text in its place makes the record malformed."""
    record = {
        "user_id": account.iam.users[name].id,
        "user_name": name,
        "owner": "platform",
        "reason": "waits for a passkey",
        "created_by": "nadia@example.com",
        "expires_at": span if isinstance(span, str) else utc_text(account.clock.now() + span),
    }
    account.clients.dynamodb.put_item(
        TableName=account.stack.physical_id("ExemptionsTable"),
        Item={field: {"S": value} for field, value in record.items()},
    )


def delete_exemption(account: Populated, name: str) -> None:
    """Delete the exemption of a user."""
    account.clients.dynamodb.delete_item(
        TableName=account.stack.physical_id("ExemptionsTable"), Key={"user_id": {"S": account.iam.users[name].id}}
    )


def names(*labels: str) -> Iterator[str]:
    """Yield the names of the users with these types."""
    by_label: Mapping[str, tuple[str, ...]] = {each.label: each.names for each in USER_TYPES}
    for label in labels:
        yield from by_label[label]
