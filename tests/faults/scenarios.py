"""One scenario for each path through a function."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from unittest.mock import patch

from faults.identity import create_response
from mfa_guard.core.times import utc_text
from mfa_guard.core.user import SINCE_TAG, STATUS_TAG, WARNED_TAG
from mfa_guard_emulator.aws.moto_patches import POLICIES_PER_USER
from mfa_guard_emulator.aws.stale_reads import Kind
from mfa_guard_emulator.demo.population import delete_exemption, record_exemption
from support import upkeep
from support.account import ADMINISTRATOR, Account
from support.factories import detail, envelope
from support.teardown import request_event

# The user that the events of UserEventFunction's scenarios are about.
SUBJECT: Final = "alice"

_PASSWORD: Final = "Not-a-real-passw0rd"
_PHONE: Final = "phone"
_DAY: Final = timedelta(days=1)
_ROOT: Final = {"type": "Root", "principalId": "111122223333", "arn": "arn:aws:iam::111122223333:root"}
_OTHER_POLICY: Final = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:ListAllMyBuckets","Resource":"*"}]}'
)

USER: Final = "UserEventFunction"
ALERT: Final = "AlertFunction"
SWEEP: Final = "SweepFunction"
TEARDOWN: Final = "TeardownFunction"


@dataclass
class Setup:
    """Prepares the account of a scenario, directly in moto's state. `events`: the events of its changes."""

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
        enforced: bool = False,
        tagged: timedelta | None = None,
        warned: timedelta | None = None,
        key: timedelta | None = None,
    ) -> None:
        """Create a user. `key`: how long ago their access key was used; `tagged`, `warned`: how long ago that was."""
        iam, now = self.account.iam, self.account.clock.now()
        iam.create_user(self.account.stack.region, name, path)
        if password:
            iam.create_login_profile(name, _PASSWORD)
        if device:
            serial = iam.create_virtual_mfa_device(f"{name}-{_PHONE}", "/").serial_number
            iam.enable_mfa_device(name, serial, "123456", "654321")
        if enforced:
            iam.attach_user_policy(self.policy, name)
        tags = {STATUS_TAG: "noncompliant", SINCE_TAG: utc_text(now - tagged)} if tagged else {}
        tags |= {WARNED_TAG: utc_text(now - warned)} if warned else {}
        if tags:
            iam.tag_user(name, [{"Key": tag, "Value": value} for tag, value in tags.items()])
            # The tags say that they are days old.
            self.account.iam_reads.stale.forget((Kind.USERS, name))
        if key is not None:
            self.account.use_key(name, iam.create_access_key(name).access_key_id, now - key)

    def add_event(self, name: str, request: Mapping[str, object] | None = None, **changes: object) -> None:
        """Add the event of a call that was made just now. It is about SUBJECT unless `request` names another user."""
        now = self.account.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        self.events.append(envelope(detail(name, request, eventTime=now, **changes)))

    def add_checked_resources(self) -> None:
        """Add what the health checks look for, and let the administrator be an established machine user.

        The injector responds for CloudFormation.
        """
        [key] = self.account.iam.users[ADMINISTRATOR].access_keys
        self.account.use_key(ADMINISTRATOR, key.access_key_id, self.account.clock.now())
        with (
            patch.object(upkeep, "_described", lambda _: lambda **_: None),
            patch.object(upkeep, "list_resources", lambda *_: None),
        ):
            upkeep.create_baseline(self.account)


def sweep_event(event_id: str) -> Mapping[str, Any]:
    """Return the event that starts a sweep."""
    return {"id": event_id, "source": "mfa-guard", "detail-type": "Sweep requested", "detail": {}}


def _nothing(_: Setup) -> None:
    """Prepare nothing."""


@dataclass(frozen=True)
class Scenario:
    """One path through a function.

    `prepare` creates what exists before, and `act` makes the changes that the events are about. `write_duration`: how
    long an attachment or its removal takes. `stack_status`: the status that CloudFormation reports. `new`: reads that
    may not show yet what the events are about. `only`: the calls to test, if another scenario makes the others in the
    same way. `parts`: how many tests share the cells. `subject`: the user whose identity changes before the calls that
    name no user.
    """

    name: str
    function: str
    act: Callable[[Setup], None]
    prepare: Callable[[Setup], None] = _nothing
    parameters: Mapping[str, str] = field(default_factory=dict)
    write_duration: timedelta = timedelta()
    stack_status: str = "UPDATE_COMPLETE"
    new: frozenset[str] = frozenset()
    only: frozenset[str] = frozenset()
    parts: int = 1
    subject: str = SUBJECT


def _is_created_in_console(setup: Setup) -> None:
    setup.user(SUBJECT)
    user = setup.account.iam.users[SUBJECT]
    setup.add_event("CreateUser", responseElements=create_response(user))
    setup.add_event("CreateLoginProfile")


def _at_policy_quota(setup: Setup) -> None:
    setup.user("alice")
    for number in range(POLICIES_PER_USER):
        policy = setup.account.iam.create_policy("", "/", _OTHER_POLICY, f"Team{number}", [])
        setup.account.iam.attach_user_policy(policy.arn, "alice")


def _gets_key(setup: Setup) -> None:
    key = setup.account.iam.create_access_key(SUBJECT)
    created = {"accessKeyId": key.access_key_id, "userName": SUBJECT, "status": "Active"}
    setup.add_event("CreateAccessKey", responseElements={"accessKey": created})


def _enrolls(setup: Setup) -> None:
    iam = setup.account.iam
    serial = iam.create_virtual_mfa_device(f"{SUBJECT}-{_PHONE}", "/").serial_number
    iam.enable_mfa_device(SUBJECT, serial, "123456", "654321")
    setup.add_event("EnableMFADevice", {"userName": SUBJECT, "serialNumber": serial})


def _loses_device(setup: Setup) -> None:
    [serial] = setup.account.iam.users[SUBJECT].mfa_devices
    setup.account.iam.deactivate_mfa_device(SUBJECT, serial)
    setup.add_event("DeactivateMFADevice", {"userName": SUBJECT, "serialNumber": serial})


def _is_detached(setup: Setup) -> None:
    setup.account.iam.detach_user_policy(setup.policy, SUBJECT)
    setup.add_event("DetachUserPolicy", {"userName": SUBJECT, "policyArn": setup.policy})


def _is_untagged(setup: Setup) -> None:
    setup.account.iam.untag_user(SUBJECT, [STATUS_TAG, SINCE_TAG])
    setup.add_event("UntagUser")


def _exempt_user(setup: Setup) -> None:
    setup.user("alice", enforced=True, tagged=10 * _DAY)
    record_exemption(setup.account, "alice", 30 * _DAY)


def _is_renamed(setup: Setup) -> None:
    setup.account.iam.update_user("machine", "/", SUBJECT)
    setup.add_event("UpdateUser", {"userName": "machine", "newUserName": SUBJECT, "newPath": "/"})


def _active_machine_user(setup: Setup) -> None:
    setup.user("alice", password=False, key=_DAY)


def _root_loses_device(setup: Setup) -> None:
    setup.add_event("DeactivateMFADevice", {"userName": "AWS ROOT USER"}, userIdentity=_ROOT)


def _root_signs_in(setup: Setup) -> None:
    setup.add_event("ConsoleLogin", {}, eventSource="signin.amazonaws.com", userIdentity=_ROOT)


def _trail_stops(setup: Setup) -> None:
    setup.add_event("StopLogging", {"name": "main"}, eventSource="cloudtrail.amazonaws.com")


def _another_stack_changes_a_rule(setup: Setup) -> None:
    setup.add_event(
        "PutRule",
        {"name": "mfa-guard-new-credentials"},
        eventSource="events.amazonaws.com",
        sourceIPAddress="cloudformation.amazonaws.com",
    )


def _many_devices_are_created(setup: Setup) -> None:
    for number in range(10):
        setup.account.clients.iam.create_virtual_mfa_device(VirtualMFADeviceName=f"phone-{number}")
        setup.add_event("CreateVirtualMFADevice", {"virtualMFADeviceName": f"phone-{number}"})


def _topic_is_deleted(setup: Setup) -> None:
    topic = setup.account.stack.resolve({"Ref": "NoticesTopic"})
    setup.add_event("DeleteTopic", {"topicArn": topic}, eventSource="sns.amazonaws.com")


def _exemptions_change(setup: Setup) -> None:
    record_exemption(setup.account, "alice", 30 * _DAY)
    record_exemption(setup.account, "bob", 60 * _DAY)
    delete_exemption(setup.account, "bob")


def _two_users(setup: Setup) -> None:
    setup.user("alice")
    setup.user("bob")


def _one_user_of_each_kind(setup: Setup) -> None:
    setup.add_checked_resources()
    setup.user("alice")
    setup.user("bob", device=True, enforced=True, tagged=3 * _DAY)
    setup.user("machine", password=False, key=_DAY)
    setup.user("exempt", enforced=True, tagged=3 * _DAY)
    record_exemption(setup.account, "exempt", 30 * _DAY)
    setup.user("warn", enforced=True, tagged=25 * _DAY, key=_DAY)
    setup.user("late", enforced=True, tagged=60 * _DAY, warned=20 * _DAY, key=_DAY)


def _sweep_is_requested(setup: Setup) -> None:
    setup.events.append(sweep_event("sweep-1"))


def _three_users_with_devices(setup: Setup) -> None:
    setup.add_checked_resources()
    for name in ("alice", "bob", "dave"):
        setup.user(name, device=True)


def _two_enforced_users(setup: Setup) -> None:
    for name in ("alice", "bob"):
        setup.user(name, enforced=True, tagged=_DAY)
    setup.account.iam.add_user_to_group(setup.group, "bob")


def _cloudformation_requests(kind: str) -> Callable[[Setup], None]:
    def act(setup: Setup) -> None:
        stack = setup.account.stack
        signed_at = f"{setup.account.clock.now():%Y%m%dT%H%M%SZ}"
        event = request_event(kind, StackId=stack.resolve({"Ref": "AWS::StackId"}))
        setup.events.append({**event, "ResponseURL": f"{event['ResponseURL']}&X-Amz-Date={signed_at}"})

    return act


_ALL: Final = {"Mode": "all", "AlertEmail": "security@example.com", "OperationsEmail": "operations@example.com"}

# From the lease to the tags.
_NOTICE_CALLS: Final = frozenset({"PutItem", "UpdateItem", "Publish", "TagUser"})

SCENARIOS: Final[tuple[Scenario, ...]] = (
    Scenario("new user", USER, _is_created_in_console, new=frozenset({"GetUser", "GetLoginProfile"})),
    Scenario(
        "new user, through the group",
        USER,
        _is_created_in_console,
        parameters={"EnforceThrough": "group"},
        only=_NOTICE_CALLS | {"AddUserToGroup"},
    ),
    Scenario(
        "new key, policy quota reached", USER, _gets_key, _at_policy_quota, new=frozenset({"GetAccessKeyLastUsed"})
    ),
    Scenario("device enrolled", USER, _enrolls, lambda setup: setup.user("alice", enforced=True, tagged=3 * _DAY)),
    Scenario("last device removed", USER, _loses_device, lambda setup: setup.user("alice", enforced=True, device=True)),
    Scenario("policy detached", USER, _is_detached, lambda setup: setup.user("alice", enforced=True, device=True)),
    Scenario("tags removed", USER, _is_untagged, lambda setup: setup.user("alice", enforced=True, tagged=3 * _DAY)),
    Scenario("exempt user", USER, _gets_key, _exempt_user),
    Scenario("active machine user", USER, _gets_key, _active_machine_user),
    Scenario("new key, with a device", USER, _gets_key, lambda setup: setup.user("alice", device=True)),
    Scenario(
        "renamed, no longer exempt",
        USER,
        _is_renamed,
        lambda setup: setup.user("machine", path="/machines/"),
        {"ExemptPathPrefixes": "/machines/"},
        new=frozenset({"GetUser"}),
    ),
    Scenario("root's device", USER, _root_loses_device),
    Scenario("root signs in", ALERT, _root_signs_in),
    Scenario("trail stopped", ALERT, _trail_stops),
    Scenario("notices topic deleted", ALERT, _topic_is_deleted),
    Scenario(
        "rule changed by another stack", ALERT, _another_stack_changes_a_rule, only=frozenset({"DescribeStackEvents"})
    ),
    Scenario(
        "many virtual devices",
        ALERT,
        _many_devices_are_created,
        only=frozenset({"ListVirtualMFADevices", "UpdateItem", "Publish"}),
    ),
    Scenario("exemptions change", ALERT, _exemptions_change, _two_users),
    Scenario(
        "sweep",
        SWEEP,
        _sweep_is_requested,
        _one_user_of_each_kind,
        {**_ALL, "DeactivateKeysAfterDays": "30"},
        parts=6,
        subject="late",
    ),
    Scenario(
        "sweep out of time",
        SWEEP,
        _sweep_is_requested,
        _three_users_with_devices,
        _ALL,
        write_duration=timedelta(seconds=400),
        only=_NOTICE_CALLS | {"AttachUserPolicy", "PutEvents"},
        parts=2,
    ),
    Scenario(
        "stack deleted",
        TEARDOWN,
        _cloudformation_requests("Delete"),
        _two_enforced_users,
        stack_status="DELETE_IN_PROGRESS",
        parts=3,
    ),
    Scenario(
        "stack deleted, slow AWS",
        TEARDOWN,
        _cloudformation_requests("Delete"),
        _two_enforced_users,
        write_duration=timedelta(seconds=250),
        only=frozenset({"DetachUserPolicy", "RemoveUserFromGroup", "UntagUser", "Invoke", "PutObject"}),
        stack_status="DELETE_IN_PROGRESS",
    ),
    Scenario("stack created", TEARDOWN, _cloudformation_requests("Create"), stack_status="CREATE_COMPLETE"),
)
