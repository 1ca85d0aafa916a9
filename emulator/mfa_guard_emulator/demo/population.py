"""An account of 200 users that is older than the guard: who they are, put straight into moto's own IAM.

Names say what a user has, so that a mail about them reads by itself.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

from moto.iam.models import AccessKeyLastUsed, IAMBackend

from mfa_guard.core.times import utc_text
from mfa_guard.core.user import SINCE_TAG, STATUS_TAG
from mfa_guard_cli.stack.template import Stack
from mfa_guard_emulator.aws.clock import Clock
from mfa_guard_emulator.aws.moto_gaps import GROUPS_PER_USER, POLICIES_PER_USER
from mfa_guard_emulator.aws.resources import Clients
from mfa_guard_emulator.aws.surroundings import ADMINISTRATOR

_PASSWORD: Final = "Not-a-real-passw0rd"  # noqa: S105 - for users who do not exist
_YESTERDAY: Final = timedelta(days=1)
_LONG_AGO: Final = timedelta(days=200)
_DOCUMENT: Final = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:ListAllMyBuckets","Resource":"*"}]}'
)


class Populated(Protocol):
    """What is used of an account."""

    @property
    def stack(self) -> Stack: ...
    @property
    def iam(self) -> IAMBackend: ...
    @property
    def clients(self) -> Clients: ...
    @property
    def clock(self) -> Clock: ...


@dataclass(frozen=True)
class Kit:
    """What users have. `key_used`: how long ago their access key was used, None without a key.

    `exempt_for`: how long the exemption table says they are exempt, the empty text when its record is malformed.
    """

    path: str = "/"
    password: bool = False
    phone: bool = False
    security_key: bool = False
    key_used: timedelta | None = None
    policies: int = 0
    groups: int = 0
    bound: bool = False
    marked_for: timedelta | None = None
    exempt_for: timedelta | str | None = None


@dataclass(frozen=True)
class Crowd:
    """Users who have the same. `names` are theirs."""

    label: str
    names: tuple[str, ...]
    kit: Kit


def _numbered(name: str, count: int) -> tuple[str, ...]:
    return tuple(f"{name}-{number:02}" for number in range(1, count + 1))


_QUARTER: Final = timedelta(days=90)

GROUPS: Final[tuple[Crowd, ...]] = (
    Crowd("password, phone", (ADMINISTRATOR, *_numbered("phone", 83)), Kit(password=True, phone=True)),
    Crowd("password, passkey", _numbered("passkey", 14), Kit(password=True, security_key=True)),
    Crowd("phone, key at work", _numbered("keyed", 6), Kit(password=True, phone=True, key_used=_YESTERDAY)),
    Crowd("password only", _numbered("nodevice", 40), Kit(password=True)),
    Crowd("key at work only", _numbered("machine", 12), Kit(key_used=_YESTERDAY)),
    Crowd("idle key only", _numbered("idle", 15), Kit(key_used=_LONG_AGO)),
    Crowd("nothing", _numbered("empty", 6), Kit()),
    Crowd("exempt by path", _numbered("partner", 8), Kit(path="/partners/", key_used=_YESTERDAY)),
    Crowd("exempt by table", _numbered("exempt", 7), Kit(password=True, exempt_for=_QUARTER)),
    Crowd("exempt, 36 h left", ("wanda",), Kit(password=True, exempt_for=timedelta(hours=36))),
    Crowd(
        "exempt, yet bound",
        ("rita",),
        Kit(password=True, bound=True, marked_for=timedelta(days=3), exempt_for=_QUARTER),
    ),
    Crowd("record malformed", ("olga",), Kit(password=True, exempt_for="")),
    Crowd("tagged long ago", ("ivan",), Kit(password=True, marked_for=timedelta(days=100))),
    Crowd("10 policies", ("frank",), Kit(password=True, policies=POLICIES_PER_USER)),
    Crowd(
        "and 10 groups",
        ("heidi",),
        Kit(password=True, policies=POLICIES_PER_USER, groups=GROUPS_PER_USER),
    ),
    Crowd("out of reach", ("dennis",), Kit(password=True)),
    Crowd("soon deleted", ("dora",), Kit(password=True)),
)


def populate(account: Populated) -> None:
    """Put everybody into the account, unrecorded."""
    iam, region = account.iam, account.stack.region
    arns = [iam.create_policy("", "/", _DOCUMENT, f"Team{number}", []).arn for number in range(POLICIES_PER_USER)]
    groups = [f"team-{number}" for number in range(GROUPS_PER_USER)]
    for group in groups:
        iam.create_group(group)
    for crowd in GROUPS:
        for name in crowd.names:
            kit = crowd.kit
            if name != ADMINISTRATOR:
                iam.create_user(region, name, kit.path)
            for arn in arns[: kit.policies]:
                iam.attach_user_policy(arn, name)
            for group in groups[: kit.groups]:
                iam.add_user_to_group(group, name)
            _equip(account, name, kit)
            if kit.exempt_for is not None:
                record_exemption(account, name, kit.exempt_for)


def _equip(account: Populated, name: str, kit: Kit) -> None:
    iam, stack, now = account.iam, account.stack, account.clock.now()
    if kit.password:
        iam.create_login_profile(name, _PASSWORD)
    if kit.phone:
        serial = iam.create_virtual_mfa_device(f"{name}-phone", "/").serial_number
        iam.enable_mfa_device(name, serial, "123456", "654321")
    if kit.security_key:
        # No list of the whole account's has these: the credential report alone tells of them.
        serial = f"arn:{stack.partition}:iam::{stack.account}:u2f/user/{name}/key"
        iam.enable_mfa_device(name, serial, "", "")
    if kit.key_used is not None:
        iam.create_access_key(name).last_used = AccessKeyLastUsed(now - kit.key_used, "s3", stack.region)
    if kit.bound:
        iam.attach_user_policy(str(stack.resolve({"Ref": "EnforcementPolicy"})), name)
    if kit.marked_for is not None:
        tags = {STATUS_TAG: "noncompliant", SINCE_TAG: utc_text(now - kit.marked_for)}
        iam.tag_user(name, [{"Key": key, "Value": value} for key, value in tags.items()])


def record_exemption(account: Populated, name: str, span: timedelta | str) -> None:
    """Record that a user is exempt for a span of time; with a text in its place the record is malformed."""
    record = {
        "user_id": account.iam.users[name].id,
        "user_name": name,
        "owner": "platform",
        "reason": "until passkeys are handed out",
        "created_by": "nadia@example.com",
        "expires_at": span if isinstance(span, str) else utc_text(account.clock.now() + span),
    }
    account.clients.dynamodb.put_item(
        TableName=account.stack.physical_id("ExemptionsTable"),
        Item={field: {"S": value} for field, value in record.items()},
    )


def delete_exemption(account: Populated, name: str) -> None:
    """Delete the record of a user."""
    account.clients.dynamodb.delete_item(
        TableName=account.stack.physical_id("ExemptionsTable"), Key={"user_id": {"S": account.iam.users[name].id}}
    )


def names(*labels: str) -> Iterator[str]:
    """Yield who is in the crowds of these labels."""
    crowds: Mapping[str, tuple[str, ...]] = {crowd.label: crowd.names for crowd in GROUPS}
    for label in labels:
        yield from crowds[label]
