"""Delivery as bad as it gets: events doubled, shuffled and lost, then one sweep.

MFA_GUARD_STRESS_USERS says how many users there are, 100 otherwise; `make stress` says 1,000.
"""

import os
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest
from pyotp import TOTP

from mfa_guard.core.attachments import AttachmentRoute
from mfa_guard.core.times import parse_utc
from mfa_guard_cli.stack.template import load_template
from mfa_guard_emulator.aws.account import LocalAccount, Plan, run_account
from mfa_guard_emulator.aws.callers import Credentials
from mfa_guard_emulator.aws.delivery import DeliveryFaults
from mfa_guard_emulator.aws.keys import ADMINISTRATOR_KEY
from mfa_guard_emulator.aws.mailbox import Mail
from mfa_guard_emulator.aws.resources import Clients
from mfa_guard_emulator.aws.snapshot import Snapshot, snapshots
from mfa_guard_emulator.aws.surroundings import ADMINISTRATOR

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

USERS: Final = int(os.environ.get("MFA_GUARD_STRESS_USERS", "100"))
SEED: Final = 20261124
LOST_PERCENT: Final = 5.0
STEPS: Final = 4
# Events carry whole seconds, and a call takes its time.
SLACK: Final = timedelta(seconds=5)
PASSWORD: Final = "Not-a-real-passw0rd"
# What a kind of notice says of the user's devices, whatever else it says.
WITHOUT_DEVICE: Final = {"noncompliant", "new-credential"}
WITH_DEVICE: Final = {"solved", "device-with-key"}


@dataclass
class Life:
    """One user's life: what he has, and since when he has had a device or none."""

    name: str
    user_id: str
    password: bool = False
    serial: str | None = None
    key: str | None = None
    devices_since: list[tuple[datetime, bool]] = field(default_factory=list)

    def had_device(self, begin: datetime, end: datetime) -> set[bool]:
        """Return whether he had a device at the moments between two times."""
        before = [had for when, had in self.devices_since if when < begin]
        within = {had for when, had in self.devices_since if begin <= when <= end}
        return within | set(before[-1:])


class Crowd:
    """Users whom an administrator changes at random by real API calls."""

    def __init__(self, account: LocalAccount, chance: random.Random) -> None:
        credentials = Credentials(*ADMINISTRATOR_KEY)
        self.iam: IAMClient = Clients(account.session(credentials), account.endpoint).iam
        self.policy = str(account.stack.resolve({"Ref": "EnforcementPolicy"}))
        self.chance = chance
        self.lives: dict[str, Life] = {}

    def create(self, name: str) -> None:
        made = self.iam.create_user(UserName=name)["User"]
        self.lives[name] = Life(name, made["UserId"], devices_since=[(now(), False)])

    def change(self, life: Life) -> None:
        possible = [act for act, fits in self._acts() if fits(life)]
        self.chance.choice(possible)(life)

    def _acts(self) -> tuple[tuple[Callable[[Life], None], Callable[[Life], bool]], ...]:
        return (
            (self._give_password, lambda life: not life.password),
            (self._give_key, lambda life: life.key is None),
            (self._switch_key, lambda life: life.key is not None),
            (self._enroll, lambda life: life.serial is None),
            (self._lose_device, lambda life: life.serial is not None),
            (self._take_policy_off, lambda _: True),
            (self._take_tags_off, lambda _: True),
        )

    def _give_password(self, life: Life) -> None:
        self.iam.create_login_profile(UserName=life.name, Password=PASSWORD)
        life.password = True

    def _give_key(self, life: Life) -> None:
        life.key = self.iam.create_access_key(UserName=life.name)["AccessKey"]["AccessKeyId"]

    def _switch_key(self, life: Life) -> None:
        assert life.key
        for status in ("Inactive", "Active"):
            self.iam.update_access_key(UserName=life.name, AccessKeyId=life.key, Status=status)

    def _enroll(self, life: Life) -> None:
        name = f"{life.name}-{len(life.devices_since)}"
        made = self.iam.create_virtual_mfa_device(VirtualMFADeviceName=name)["VirtualMFADevice"]
        codes, moment = TOTP(made["Base32StringSeed"].decode()), datetime.now(UTC)
        began = now()
        self.iam.enable_mfa_device(
            UserName=life.name,
            SerialNumber=made["SerialNumber"],
            AuthenticationCode1=codes.at(moment - timedelta(seconds=30)),
            AuthenticationCode2=codes.at(moment),
        )
        life.serial = made["SerialNumber"]
        life.devices_since.append((began, True))

    def _lose_device(self, life: Life) -> None:
        assert life.serial
        began = now()
        self.iam.deactivate_mfa_device(UserName=life.name, SerialNumber=life.serial)
        life.serial = None
        life.devices_since.append((began, False))

    def _take_policy_off(self, life: Life) -> None:
        attached = self.iam.list_attached_user_policies(UserName=life.name)["AttachedPolicies"]
        if any(each["PolicyArn"] == self.policy for each in attached):
            self.iam.detach_user_policy(UserName=life.name, PolicyArn=self.policy)

    def _take_tags_off(self, life: Life) -> None:
        self.iam.untag_user(UserName=life.name, TagKeys=["mfa-guard:status"])


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Aftermath:
    """What was left: users and mails before the sweep and after it. `detached`: who lost the policy unrecorded."""

    account: LocalAccount
    crowd: Crowd
    lost: int
    detached: str
    before: Mapping[str, Snapshot]
    after: Mapping[str, Snapshot]
    mails: tuple[Mail, ...]


@pytest.fixture(scope="module")
def aftermath() -> Iterator[Aftermath]:
    delivery_faults = DeliveryFaults(duplicate=True, shuffle=True, lose=LOST_PERCENT, seed=SEED)
    stack = load_template().render(parameters={"Mode": "all", "AlertEmail": "security@example.com"})
    plan = Plan(stack, port=0, delivery_faults=delivery_faults, retry_seconds=(0.05, 0.1), announced=False)
    with run_account(plan) as account:
        chance = random.Random(SEED)  # noqa: S311 - the same acts each time
        crowd = Crowd(account, chance)
        names = [f"user-{number:04}" for number in range(USERS)]
        for name in names:
            crowd.create(name)
        for name in chance.sample(names * STEPS, USERS * STEPS):
            crowd.change(crowd.lives[name])
        assert account.bus.settle(1800)
        # Later events may happen to make good whatever was lost before them; a change without a record stays.
        detached = next(name for name in names if crowd.policy in account.iam.get_user(name).managed_policies)
        account.iam.detach_user_policy(crowd.policy, detached)
        before = snapshots(stack, account.iam)
        account.lag.settle()
        account.fire_schedule()
        assert account.bus.settle(1800)
        after = snapshots(stack, account.iam)
        assert account.failures == []
        yield Aftermath(account, crowd, account.activity.lost, detached, before, after, account.mailbox.mails)


def demanded(snapshot: Snapshot) -> bool:
    """Tell whether a user stands as everybody must here: bound, and tagged exactly without a device.

    Nobody is exempt, and nobody's key was ever used, so nobody is a active machine user.
    """
    return snapshot.routes == (AttachmentRoute.DIRECT,) and (
        snapshot.tags.get("mfa-guard:status") == "noncompliant"
    ) == (not snapshot.devices)


def test_after_one_sweep_every_user_is_as_his_state_demands(aftermath: Aftermath) -> None:
    assert len(aftermath.crowd.lives) == USERS
    assert [name for name in aftermath.crowd.lives if not demanded(aftermath.after[name])] == []


def test_what_was_lost_is_caught_by_the_sweep_and_by_nothing_else(aftermath: Aftermath) -> None:
    wrong = {name for name in aftermath.crowd.lives if not demanded(aftermath.before[name])}
    assert aftermath.lost > 0
    assert aftermath.detached in wrong
    # More may be lost than is missed: the next event about a user makes good what an earlier one did not.
    assert len(wrong - {aftermath.detached}) <= aftermath.lost
    [digest] = [mail for mail in aftermath.mails if mail.attributes["kind"] == "digest"]
    sections = digest.data["sections"]
    assert isinstance(sections, Mapping)
    lines = [str(line) for line in sections["changes"]["lines"]]
    changed = {name for name in (*aftermath.crowd.lives, ADMINISTRATOR) if any(f"{name}: " in line for line in lines)}
    assert changed >= wrong
    # carol is older than the stack, and the first sweep in Mode all binds her.
    assert changed - wrong <= {ADMINISTRATOR}


def test_nothing_ended_in_the_dead_letter_queue(aftermath: Aftermath) -> None:
    assert aftermath.account.dead_letters() == 0


def test_nobody_got_a_wrong_notice(aftermath: Aftermath) -> None:
    by_id = {life.user_id: life for life in aftermath.crowd.lives.values()}
    told = [mail for mail in aftermath.mails if mail.attributes["kind"] != "digest"]
    assert len(told) >= USERS / 2
    for mail in told:
        subject, event = mail.data["subject"], mail.data["event"]
        assert isinstance(subject, Mapping)
        assert isinstance(event, Mapping)
        life = by_id[subject["id"]]
        assert subject["name"] == life.name
        begin = parse_utc(str(event["time"]))
        assert begin
        had = life.had_device(begin - SLACK, mail.time)
        kind = mail.attributes["kind"]
        assert kind not in WITHOUT_DEVICE or False in had, mail.text
        assert kind not in WITH_DEVICE or True in had, mail.text
        assert ("MFA devices: none" not in mail.text) in had, mail.text
