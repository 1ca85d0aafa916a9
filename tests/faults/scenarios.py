"""What the functions have to come through: one scenario per path."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from unittest.mock import patch

from mfa_guard.core.times import utc_text
from mfa_guard.core.user import SINCE_TAG, STATUS_TAG, WARNED_TAG
from mfa_guard_emulator.aws.moto_gaps import POLICIES_PER_USER
from mfa_guard_emulator.demo.population import delete_exemption, record_exemption
from support import upkeep
from support.account import Account
from support.factories import detail, envelope
from support.teardown import request_event

# Whom the events of UserEventFunction's scenarios are about.
SUBJECT: Final = "alice"

_PASSWORD: Final = "Not-a-real-passw0rd"
_PHONE: Final = "phone"
_DAY: Final = timedelta(days=1)
_ROOT: Final = {"type": "Root", "principalId": "111122223333", "arn": "arn:aws:iam::111122223333:root"}
_DOCUMENT: Final = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:ListAllMyBuckets","Resource":"*"}]}'
)

USER: Final = "UserEventFunction"
ALERT: Final = "AlertFunction"
SWEEP: Final = "SweepFunction"
TEARDOWN: Final = "TeardownFunction"


@dataclass
class Scene:
    """The account as a scenario prepares it, in moto's own books. `events`: what CloudTrail does not tell."""

    account: Account
    events: list[Mapping[str, Any]] = field(default_factory=list)

    @property
    def policy(self) -> str:
        return str(self.account.stack.resolve({"Ref": "EnforcementPolicy"}))

    @property
    def group(self) -> str:
        return self.account.stack.physical_id("EnforcementGroup")

    def user(
        self,
        name: str,
        *,
        path: str = "/",
        password: bool = True,
        device: bool = False,
        bound: bool = False,
        tagged: timedelta | None = None,
        warned: timedelta | None = None,
        key: timedelta | None = None,
    ) -> None:
        """Make a user. `key`: how long ago his access key was used; `tagged`, `warned`: for how long."""
        iam, now = self.account.iam, self.account.clock.now()
        iam.create_user(self.account.stack.region, name, path)
        if password:
            iam.create_login_profile(name, _PASSWORD)
        if device:
            serial = iam.create_virtual_mfa_device(f"{name}-{_PHONE}", "/").serial_number
            iam.enable_mfa_device(name, serial, "123456", "654321")
        if bound:
            iam.attach_user_policy(self.policy, name)
        tags = {STATUS_TAG: "noncompliant", SINCE_TAG: utc_text(now - tagged)} if tagged else {}
        tags |= {WARNED_TAG: utc_text(now - warned)} if warned else {}
        if tags:
            iam.tag_user(name, [{"Key": tag, "Value": value} for tag, value in tags.items()])
        if key is not None:
            self.account.use_key(name, iam.create_access_key(name).access_key_id, now - key)

    def heard(self, name: str, request: Mapping[str, object] | None = None, **changes: object) -> None:
        """Let the function hear of a call that was made just now; about the subject unless `request` says otherwise."""
        now = self.account.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        self.events.append(envelope(detail(name, request, eventTime=now, **changes)))


def _nobody(_: Scene) -> None:
    """Prepare nothing."""


@dataclass(frozen=True)
class Scenario:
    """One path through a function.

    `prepare` makes what was there before, `happens` is what the function hears of. `pace`: how long AWS takes to bind
    and release; `stack_status`: what CloudFormation says of the stack; `new`: reads that may not show yet what the
    events are about; `only`: the calls to look at, where another scenario makes the others in the same way; `parts`:
    among how many processes the work is divided.
    """

    name: str
    function: str
    happens: Callable[[Scene], None]
    prepare: Callable[[Scene], None] = _nobody
    parameters: Mapping[str, str] = field(default_factory=dict)
    pace: timedelta = timedelta()
    stack_status: str = "UPDATE_COMPLETE"
    new: frozenset[str] = frozenset()
    only: frozenset[str] = frozenset()
    parts: int = 1


def _wizard(harness: Scene) -> None:
    harness.user(SUBJECT)
    harness.heard("CreateUser")
    harness.heard("CreateLoginProfile")


def _full(harness: Scene) -> None:
    harness.user("alice")
    for number in range(POLICIES_PER_USER):
        policy = harness.account.iam.create_policy("", "/", _DOCUMENT, f"Team{number}", [])
        harness.account.iam.attach_user_policy(policy.arn, "alice")


def _gets_key(harness: Scene) -> None:
    harness.account.iam.create_access_key(SUBJECT)
    harness.heard("CreateAccessKey")


def _enrolls(harness: Scene) -> None:
    iam = harness.account.iam
    serial = iam.create_virtual_mfa_device(f"{SUBJECT}-{_PHONE}", "/").serial_number
    iam.enable_mfa_device(SUBJECT, serial, "123456", "654321")
    harness.heard("EnableMFADevice", {"userName": SUBJECT, "serialNumber": serial})


def _loses_device(harness: Scene) -> None:
    [serial] = harness.account.iam.users[SUBJECT].mfa_devices
    harness.account.iam.deactivate_mfa_device(SUBJECT, serial)
    harness.heard("DeactivateMFADevice", {"userName": SUBJECT, "serialNumber": serial})


def _is_detached(harness: Scene) -> None:
    harness.account.iam.detach_user_policy(harness.policy, SUBJECT)
    harness.heard("DetachUserPolicy", {"userName": SUBJECT, "policyArn": harness.policy})


def _is_untagged(harness: Scene) -> None:
    harness.account.iam.untag_user(SUBJECT, [STATUS_TAG, SINCE_TAG])
    harness.heard("UntagUser")


def _exempt(harness: Scene) -> None:
    harness.user("alice", bound=True, tagged=10 * _DAY)
    record_exemption(harness.account, "alice", 30 * _DAY)


def _is_renamed(harness: Scene) -> None:
    harness.account.iam.update_user("machine", "/", SUBJECT)
    harness.heard("UpdateUser", {"userName": "machine", "newUserName": SUBJECT, "newPath": "/"})


def _machine(harness: Scene) -> None:
    harness.user("alice", password=False, key=_DAY)


def _root_loses_device(harness: Scene) -> None:
    harness.heard("DeactivateMFADevice", {"userName": "AWS ROOT USER"}, userIdentity=_ROOT)


def _root_signs_in(harness: Scene) -> None:
    harness.heard("ConsoleLogin", {}, eventSource="signin.amazonaws.com", userIdentity=_ROOT)


def _trail_stops(harness: Scene) -> None:
    harness.heard("StopLogging", {"name": "main"}, eventSource="cloudtrail.amazonaws.com")


def _topic_goes(harness: Scene) -> None:
    topic = harness.account.stack.resolve({"Ref": "NoticesTopic"})
    harness.heard("DeleteTopic", {"topicArn": topic}, eventSource="sns.amazonaws.com")


def _exemptions_change(harness: Scene) -> None:
    record_exemption(harness.account, "alice", 30 * _DAY)
    record_exemption(harness.account, "bob", 60 * _DAY)
    delete_exemption(harness.account, "bob")


def _two_users(harness: Scene) -> None:
    harness.user("alice")
    harness.user("bob")


def _crowd(harness: Scene) -> None:
    with_upkeep(harness)
    harness.user("alice")
    harness.user("bob", device=True, bound=True, tagged=3 * _DAY)
    harness.user("machine", password=False, key=_DAY)
    harness.user("exempt", bound=True, tagged=3 * _DAY)
    record_exemption(harness.account, "exempt", 30 * _DAY)
    harness.user("warn", bound=True, tagged=25 * _DAY, key=_DAY)
    harness.user("late", bound=True, tagged=60 * _DAY, warned=20 * _DAY, key=_DAY)


def with_upkeep(harness: Scene) -> None:
    """Let everything that the health checks look at be well; what CloudFormation says is the wire's to tell."""
    with patch.object(upkeep, "_described", lambda _: lambda **_: None):
        upkeep.keep_well(harness.account)


def _sweep_asked(harness: Scene) -> None:
    harness.events.append({"id": "sweep-1", "source": "mfa-guard", "detail-type": "Sweep requested", "detail": {}})


def _many(harness: Scene) -> None:
    with_upkeep(harness)
    for name in ("alice", "bob", "dave"):
        harness.user(name, device=True)


def _held(harness: Scene) -> None:
    for name in ("alice", "bob"):
        harness.user(name, bound=True, tagged=_DAY)
    harness.account.iam.add_user_to_group(harness.group, "bob")


def _asks(kind: str) -> Callable[[Scene], None]:
    def happens(harness: Scene) -> None:
        stack = harness.account.stack
        signed = f"{harness.account.clock.now():%Y%m%dT%H%M%SZ}"
        event = request_event(kind, StackId=stack.resolve({"Ref": "AWS::StackId"}))
        harness.events.append({**event, "ResponseURL": f"{event['ResponseURL']}&X-Amz-Date={signed}"})

    return happens


_ALL: Final = {"Mode": "all", "AlertEmail": "security@example.com", "OperationsEmail": "operations@example.com"}

# From the claim of the lease to the tags.
_TELLING: Final = frozenset({"PutItem", "UpdateItem", "Publish", "TagUser"})

SCENARIOS: Final[tuple[Scenario, ...]] = (
    Scenario("new user", USER, _wizard, new=frozenset({"GetUser", "GetLoginProfile"})),
    Scenario(
        "new user, through the group",
        USER,
        _wizard,
        parameters={"EnforceThrough": "group"},
        only=_TELLING | {"AddUserToGroup"},
    ),
    Scenario("new key, policies full", USER, _gets_key, _full, new=frozenset({"GetAccessKeyLastUsed"})),
    Scenario("device enrolled", USER, _enrolls, lambda harness: harness.user("alice", bound=True, tagged=3 * _DAY)),
    Scenario(
        "last device removed", USER, _loses_device, lambda harness: harness.user("alice", bound=True, device=True)
    ),
    Scenario("policy detached", USER, _is_detached, lambda harness: harness.user("alice", bound=True, device=True)),
    Scenario("tags removed", USER, _is_untagged, lambda harness: harness.user("alice", bound=True, tagged=3 * _DAY)),
    Scenario("exempt user", USER, _gets_key, _exempt),
    Scenario("machine at work", USER, _gets_key, _machine),
    Scenario("enforced with device", USER, _gets_key, lambda harness: harness.user("alice", device=True)),
    Scenario(
        "renamed, no longer exempt",
        USER,
        _is_renamed,
        lambda harness: harness.user("machine", path="/machines/"),
        {"ExemptPathPrefixes": "/machines/"},
        new=frozenset({"GetUser"}),
    ),
    Scenario("root's device", USER, _root_loses_device),
    Scenario("root signs in", ALERT, _root_signs_in),
    Scenario("trail stopped", ALERT, _trail_stops),
    Scenario("notices' topic deleted", ALERT, _topic_goes),
    Scenario("exemptions change", ALERT, _exemptions_change, _two_users),
    Scenario("sweep", SWEEP, _sweep_asked, _crowd, {**_ALL, "DeactivateKeysAfterDays": "30"}, parts=6),
    Scenario(
        "sweep out of time",
        SWEEP,
        _sweep_asked,
        _many,
        _ALL,
        pace=timedelta(seconds=400),
        only=_TELLING | {"AttachUserPolicy", "PutEvents"},
        parts=2,
    ),
    Scenario("stack deleted", TEARDOWN, _asks("Delete"), _held, stack_status="DELETE_IN_PROGRESS", parts=3),
    Scenario(
        "stack deleted, slowly",
        TEARDOWN,
        _asks("Delete"),
        _held,
        pace=timedelta(seconds=250),
        only=frozenset({"DetachUserPolicy", "RemoveUserFromGroup", "UntagUser", "Invoke", "PutObject"}),
        stack_status="DELETE_IN_PROGRESS",
    ),
    Scenario("stack created", TEARDOWN, _asks("Create"), stack_status="CREATE_COMPLETE"),
)
