"""Events are duplicated, shuffled and lost, reads are stale, users are renamed, and then one sweep runs.

MFA_GUARD_STRESS_USERS sets the number of users; `make stress` sets 1,000.
"""

import os
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest
from pyotp import TOTP

from mfa_guard.core.attachments import AttachmentRoute
from mfa_guard.core.notice_kinds import NoticeKind
from mfa_guard.core.times import parse_utc
from mfa_guard_cli.stack.template import load_template
from mfa_guard_emulator.account import AccountConfig, LocalAccount, run_account
from mfa_guard_emulator.aws.baseline import ADMINISTRATOR
from mfa_guard_emulator.aws.delivery import DeliveryFaults
from mfa_guard_emulator.aws.mailbox import Mail
from mfa_guard_emulator.aws.resources import Clients
from mfa_guard_emulator.aws.snapshot import Snapshot, snapshots
from mfa_guard_emulator.aws.stale_reads import Kind
from mfa_guard_emulator.endpoint import ADMINISTRATOR_KEY

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

USERS: Final = int(os.environ.get("MFA_GUARD_STRESS_USERS", "30"))
SEED: Final = 20261124
LOST_PERCENT: Final = 5.0
STEPS: Final = 4
# Times of events are whole seconds, and a call takes time.
SLACK: Final = timedelta(seconds=5)
# Until a change is so old, every third read shows what was before it. A notice is true if it was true so long ago.
STALE: Final = SLACK
STALE_PART: Final = 1 / 3
PASSWORD: Final = "Not-a-real-passw0rd"
# Kinds of notices that say whether the user has a device.
WITHOUT_DEVICE: Final = {"noncompliant", "new-credential"}
WITH_DEVICE: Final = {"solved", "device-enrolled"}


@dataclass
class History:
    """One user: every name so far, the credentials, and since when the user has or lacks a device."""

    names: list[str]
    user_id: str
    password: bool = False
    serial: str | None = None
    key: str | None = None
    device_changes: list[tuple[datetime, bool]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Return the name that the user has now."""
        return self.names[-1]

    def had_device(self, begin: datetime, end: datetime) -> set[bool]:
        """Return whether the user had a device at the moments between two times."""
        before = [had for when, had in self.device_changes if when < begin]
        within = {had for when, had in self.device_changes if begin <= when <= end}
        return within | set(before[-1:])


class Population:
    """Users that an administrator changes at random by real API calls."""

    def __init__(self, account: LocalAccount, chance: random.Random) -> None:
        credentials = ADMINISTRATOR_KEY
        self.iam: IAMClient = Clients(account.session(credentials), account.endpoint).iam
        self.state = account.iam
        self.policy = str(account.stack.resolve({"Ref": "EnforcementPolicy"}))
        self.chance = chance
        self.now = account.clock.now
        self.histories: dict[str, History] = {}

    def create(self, name: str) -> None:
        made = self.iam.create_user(UserName=name)["User"]
        self.histories[name] = History([name], made["UserId"], device_changes=[(self.now(), False)])

    def change(self, history: History) -> None:
        possible = [change for change, fits in self._changes() if fits(history)]
        self.chance.choice(possible)(history)

    def _changes(self) -> tuple[tuple[Callable[[History], None], Callable[[History], bool]], ...]:
        return (
            (self._give_password, lambda history: not history.password),
            (self._give_key, lambda history: history.key is None),
            (self._toggle_key, lambda history: history.key is not None),
            (self._enroll, lambda history: history.serial is None),
            (self._remove_device, lambda history: history.serial is not None),
            (self._detach_policy, lambda _: True),
            (self._remove_tags, lambda _: True),
            (self._rename, lambda _: True),
        )

    def _give_password(self, history: History) -> None:
        self.iam.create_login_profile(UserName=history.name, Password=PASSWORD)
        history.password = True

    def _give_key(self, history: History) -> None:
        history.key = self.iam.create_access_key(UserName=history.name)["AccessKey"]["AccessKeyId"]

    def _toggle_key(self, history: History) -> None:
        assert history.key
        for status in ("Inactive", "Active"):
            self.iam.update_access_key(UserName=history.name, AccessKeyId=history.key, Status=status)

    def _enroll(self, history: History) -> None:
        name = f"{history.name}-{len(history.device_changes)}"
        made = self.iam.create_virtual_mfa_device(VirtualMFADeviceName=name)["VirtualMFADevice"]
        codes, began = TOTP(made["Base32StringSeed"].decode()), self.now()
        self.iam.enable_mfa_device(
            UserName=history.name,
            SerialNumber=made["SerialNumber"],
            AuthenticationCode1=codes.at(began - timedelta(seconds=30)),
            AuthenticationCode2=codes.at(began),
        )
        history.serial = made["SerialNumber"]
        history.device_changes.append((began, True))

    def _remove_device(self, history: History) -> None:
        assert history.serial
        began = self.now()
        self.iam.deactivate_mfa_device(UserName=history.name, SerialNumber=history.serial)
        history.serial = None
        history.device_changes.append((began, False))

    def _detach_policy(self, history: History) -> None:
        # An administrator's reads would be stale as well.
        if self.policy in self.state.get_user(history.name).managed_policies:
            self.iam.detach_user_policy(UserName=history.name, PolicyArn=self.policy)

    def _remove_tags(self, history: History) -> None:
        self.iam.untag_user(UserName=history.name, TagKeys=["mfa-guard:status"])

    def _rename(self, history: History) -> None:
        new_name = f"{history.names[0]}-{len(history.names)}"
        self.iam.update_user(UserName=history.name, NewUserName=new_name)
        history.names.append(new_name)


@dataclass(frozen=True)
class Outcome:
    """The users before and after the sweep, and all mails. `detached` lost the policy without a record."""

    account: LocalAccount
    population: Population
    lost: int
    stale: Counter[Kind]
    detached: str
    before: Mapping[str, Snapshot]
    after: Mapping[str, Snapshot]
    mails: tuple[Mail, ...]


@pytest.fixture(scope="module")
def outcome() -> Iterator[Outcome]:
    delivery_faults = DeliveryFaults(duplicate=True, shuffle=True, lose=LOST_PERCENT, seed=SEED)
    stack = load_template().render(parameters={"Mode": "all", "AlertEmail": "security@example.com"})
    # A retry comes at once, so the functions' own waits have to make the events older.
    plan = AccountConfig(
        stack,
        port=0,
        delivery_faults=delivery_faults,
        retry_seconds=(0.05, 0.1),
        create_custom_resource=False,
        simulated_time=True,
    )
    with run_account(plan) as account:
        chance = random.Random(SEED)  # noqa: S311 - the same changes each time
        population = Population(account, chance)
        stale = StaleReads(random.Random(SEED))  # noqa: S311 - as above
        account.iam_reads.stale.choose(stale)
        names = [f"user-{number:04}" for number in range(USERS)]
        for name in names:
            population.create(name)
        for name in chance.sample(names * STEPS, USERS * STEPS):
            population.change(population.histories[name])
        assert account.bus.wait_until_idle(1800)
        # A later event may repair what a lost event left. A change without a record stays.
        present = [population.histories[name].name for name in names]
        detached = next(name for name in present if population.policy in account.iam.get_user(name).managed_policies)
        account.iam.detach_user_policy(population.policy, detached)
        before = snapshots(stack, account.iam)
        account.iam_reads.become_consistent()
        account.run_schedule()
        assert account.bus.wait_until_idle(1800)
        after = snapshots(stack, account.iam)
        assert account.failures == []
        lost, mails = account.activity.lost, account.mailbox.mails
        yield Outcome(account, population, lost, stale.counts, detached, before, after, mails)


@dataclass
class StaleReads:
    """Chooses at random which reads are stale, and counts them by what they show."""

    chance: random.Random
    counts: Counter[Kind] = field(default_factory=Counter)

    def __call__(self, kind: Kind, _name: str, age: timedelta) -> bool:
        stale = age < STALE and self.chance.random() < STALE_PART
        self.counts[kind] += stale
        return stale


def is_right(snapshot: Snapshot) -> bool:
    """Tell whether a user is enforced, and is tagged exactly when there is no device.

    No user is exempt. No key was ever used, so no user is an active machine user.
    """
    return snapshot.routes == (AttachmentRoute.DIRECT,) and (
        snapshot.tags.get("mfa-guard:status") == "noncompliant"
    ) == (not snapshot.devices)


def test_after_one_sweep_every_user_is_right(outcome: Outcome) -> None:
    assert len(outcome.population.histories) == USERS
    names = [history.name for history in outcome.population.histories.values()]
    assert [name for name in names if not is_right(outcome.after[name])] == []


def test_the_sweep_repairs_what_lost_events_left_and_changes_no_other_user(outcome: Outcome) -> None:
    names = [history.name for history in outcome.population.histories.values()]
    wrong = {name for name in names if not is_right(outcome.before[name])}
    assert outcome.lost > 0
    assert outcome.detached in wrong
    # A later event about a user may have repaired what a lost one left.
    assert len(wrong - {outcome.detached}) <= outcome.lost
    [digest] = [mail for mail in outcome.mails if mail.attributes["kind"] == "digest"]
    sections = digest.data["sections"]
    assert isinstance(sections, Mapping)
    lines = [str(line) for line in sections["changes"]["lines"]]
    changed = {name for name in (*names, ADMINISTRATOR) if any(line.startswith(f"{name}: ") for line in lines)}
    assert changed >= wrong
    # carol is older than the stack, so the first sweep in Mode: all enforces.
    assert changed - wrong <= {ADMINISTRATOR}


def test_reads_were_stale_and_users_were_renamed(outcome: Outcome) -> None:
    assert {Kind.KEYS, Kind.USERS} <= set(+outcome.stale)
    assert outcome.stale.total() >= USERS
    assert sum(len(history.names) - 1 for history in outcome.population.histories.values()) >= USERS / 4


def test_no_event_is_in_the_dead_letter_queue(outcome: Outcome) -> None:
    assert outcome.account.dead_letter_count() == 0


def test_no_notice_is_wrong(outcome: Outcome) -> None:
    by_id = {history.user_id: history for history in outcome.population.histories.values()}
    notices = [mail for mail in outcome.mails if mail.attributes["kind"] != "digest"]
    assert len(notices) >= USERS / 2
    for mail in notices:
        subject, event = mail.data["subject"], mail.data["event"]
        assert isinstance(subject, Mapping)
        assert isinstance(event, Mapping)
        if mail.attributes["kind"] == NoticeKind.RENAMED_USER_NOT_FOUND:
            # IAM showed no such user, so the notice has no id: reads were stale, or the name was not the last one.
            assert "id" not in subject
            assert [each for each in by_id.values() if subject["name"] in each.names[1:]]
            continue
        history = by_id[subject["id"]]
        assert subject["name"] in history.names
        begin = parse_utc(str(event["time"]))
        assert begin
        had = history.had_device(begin - SLACK, mail.time)
        kind = mail.attributes["kind"]
        assert kind not in WITHOUT_DEVICE or False in had, mail.text
        assert kind not in WITH_DEVICE or True in had, mail.text
        assert ("MFA devices: none" not in mail.text) in had, mail.text
