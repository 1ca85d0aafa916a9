"""From API call to mail: for each rule of the stack, a call that it matches, and the mail that the call leads to."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import pytest

from mfa_guard.core.mail.digest import KIND as DIGEST
from mfa_guard.core.notice_kinds import NoticeKind, Severity
from mfa_guard_cli.stack.template import Stack
from mfa_guard_emulator.account import LocalAccount
from mfa_guard_emulator.aws.baseline import ADMINISTRATOR, TRAIL
from mfa_guard_emulator.aws.mailbox import Mail
from mfa_guard_emulator.aws.resources import Clients
from support.local import Recorder, administrator, new_device, new_key, root, wait_until_idle, with_credentials

CAROL: Final = f"user/{ADMINISTRATOR}"
PASSWORD: Final = "Not-a-real-passw0rd"
POLICY: Final = "arn:aws:iam::111122223333:policy/EnrollMFADeviceThenSignInAgain"
PHONE: Final = "arn:aws:iam::111122223333:mfa/mallorys-phone"
ADMINISTRATORS_POLICY: Final = "arn:aws:iam::aws:policy/AdministratorAccess"

USER: Final = "UserEventFunction"
ALERT: Final = "AlertFunction"
SWEEP: Final = "SweepFunction"


@dataclass(frozen=True)
class Stage:
    """The account and its callers. `emulator` makes calls without records."""

    account: LocalAccount
    stack: Stack

    @property
    def emulator(self) -> Clients:
        return self.account.clients

    @property
    def carol(self) -> Clients:
        return administrator(self.account)

    def ref(self, logical_id: str) -> str:
        return str(self.stack.resolve({"Ref": logical_id}))


@dataclass(frozen=True)
class Row:
    """A call, the rule that matches it, and the mail. `names` are words that the mail must have."""

    rule: str
    function: str
    act: Callable[[Stage], object]
    kind: NoticeKind | str
    severity: Severity
    names: tuple[str, ...]
    topic: str = "NoticesTopic"


def _create_user(stage: Stage) -> None:
    stage.carol.iam.create_user(UserName="alice")


def _create_root_key(stage: Stage) -> None:
    root(stage.account).iam.create_access_key()


def _remove_device(stage: Stage) -> None:
    stage.emulator.iam.create_user(UserName="bob")
    stage.emulator.iam.create_login_profile(UserName="bob", Password=PASSWORD)
    new_device(stage.account, PHONE)
    stage.account.iam.enable_mfa_device("bob", PHONE, "", "")
    stage.carol.iam.deactivate_mfa_device(UserName="bob", SerialNumber=PHONE)


def _detach_own_policy(stage: Stage) -> None:
    stage.emulator.iam.create_user(UserName="mallory")
    # Without a password, the guard would take the user for a machine user.
    stage.emulator.iam.create_login_profile(UserName="mallory", Password=PASSWORD)
    stage.emulator.iam.attach_user_policy(UserName="mallory", PolicyArn=POLICY)
    new_device(stage.account, PHONE)
    stage.account.iam.enable_mfa_device("mallory", PHONE, "", "")
    own = with_credentials(stage.account, new_key(stage.account, "mallory"))
    own.iam.detach_user_policy(UserName="mallory", PolicyArn=POLICY)


def _remove_tag(stage: Stage) -> None:
    stage.carol.iam.create_user(UserName="dave")
    wait_until_idle(stage.account)
    stage.carol.iam.untag_user(UserName="dave", TagKeys=["mfa-guard:status"])


def _rename_older_user(stage: Stage) -> None:
    stage.emulator.iam.create_user(UserName="old-name")
    stage.carol.iam.update_user(UserName="old-name", NewUserName="new-name")


def _delete_password(stage: Stage) -> None:
    stage.emulator.iam.create_user(UserName="frank")
    stage.emulator.iam.create_login_profile(UserName="frank", Password=PASSWORD)
    stage.carol.iam.delete_login_profile(UserName="frank")


def _sign_in_as_older_user(stage: Stage) -> None:
    stage.emulator.iam.create_user(UserName="grace")
    stage.emulator.iam.create_login_profile(UserName="grace", Password=PASSWORD)
    stage.account.sign_in("grace", mfa=False, address="198.51.100.7", user_agent="Firefox")


def _create_git_credentials(stage: Stage) -> None:
    stage.emulator.iam.create_user(UserName="heidi")
    stage.carol.iam.create_service_specific_credential(UserName="heidi", ServiceName="codecommit.amazonaws.com")


def _sign_in_as_root(stage: Stage) -> None:
    stage.account.sign_in(None, mfa=False, address="198.51.100.99", user_agent="Firefox")


def _create_policy_version(stage: Stage) -> None:
    statement = {"Effect": "Deny", "Action": "s3:DeleteBucket", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    stage.carol.iam.create_policy_version(PolicyArn=POLICY, PolicyDocument=document)


def _attach_policy_to_group(stage: Stage) -> None:
    stage.carol.iam.attach_group_policy(GroupName="mfa-guard-enforced", PolicyArn=ADMINISTRATORS_POLICY)


def _attach_policy_to_role(stage: Stage) -> None:
    stage.carol.iam.attach_role_policy(RoleName=stage.ref("AlertFunctionRole"), PolicyArn=ADMINISTRATORS_POLICY)


def _disable_rule(stage: Stage) -> None:
    stage.carol.any("events").disable_rule(Name="mfa-guard-mfa-devices")
    stage.emulator.events.enable_rule(Name="mfa-guard-mfa-devices")


def _disable_watching_rule(stage: Stage) -> None:
    stage.carol.any("events").disable_rule(Name="mfa-guard-rule-tampering")
    stage.emulator.events.enable_rule(Name="mfa-guard-rule-tampering")


def _map_another_source(stage: Stage) -> None:
    queue = stage.emulator.sqs.create_queue(QueueName="forged")["QueueUrl"]
    attributes = stage.emulator.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    stage.carol.any("lambda").create_event_source_mapping(
        FunctionName=stage.ref("UserEventFunction"), EventSourceArn=attributes["QueueArn"]
    )


def _create_many_devices(stage: Stage) -> None:
    for number in range(10):
        stage.carol.iam.create_virtual_mfa_device(VirtualMFADeviceName=f"taken-{number}")


def _disable_schedule(stage: Stage) -> None:
    scheduler = stage.carol.any("scheduler")
    now = dict(stage.emulator.any("scheduler").get_schedule(Name="mfa-guard-sweep"))
    kept = {name: now[name] for name in ("Name", "ScheduleExpression", "FlexibleTimeWindow", "Target")}
    scheduler.update_schedule(**kept, State="DISABLED")


def _throttle_function(stage: Stage) -> None:
    stage.carol.any("lambda").put_function_concurrency(
        FunctionName=stage.ref("SweepFunction"), ReservedConcurrentExecutions=0
    )
    stage.emulator.any("lambda").delete_function_concurrency(FunctionName=stage.ref("SweepFunction"))


def _subscribe_to_notices(stage: Stage) -> None:
    stage.carol.sns.subscribe(TopicArn=stage.ref("NoticesTopic"), Protocol="email", Endpoint="mallory@example.com")


def _purge_queue(stage: Stage) -> None:
    stage.carol.sqs.purge_queue(QueueUrl=stage.ref("DeadLetterQueue"))


def _disable_alarm(stage: Stage) -> None:
    stage.carol.any("cloudwatch").disable_alarm_actions(AlarmNames=["mfa-guard-heartbeat"])


def _disable_backups(stage: Stage) -> None:
    stage.carol.any("dynamodb").update_continuous_backups(
        TableName=stage.ref("ExemptionsTable"),
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False},
    )


def _stop_trail(stage: Stage) -> None:
    stage.carol.cloudtrail.stop_logging(Name=TRAIL)


def _disable_termination_protection(stage: Stage) -> None:
    stage.carol.any("cloudformation").update_termination_protection(
        StackName="mfa-guard", EnableTerminationProtection=False
    )


def _make_news(stage: Stage, name: str) -> None:
    """Create a user and stop the trail, because a sweep without news sends no digest."""
    stage.emulator.iam.create_user(UserName=name)
    stage.emulator.cloudtrail.stop_logging(Name=TRAIL)


def _request_sweep(stage: Stage) -> None:
    _make_news(stage, "overlooked")
    entry = {"Source": "mfa-guard", "DetailType": "Sweep requested", "Detail": "{}"}
    stage.carol.events.put_events(Entries=[entry])  # type: ignore[list-item]  # the stubs want a class of their own


def _run_schedule(stage: Stage) -> None:
    stage.emulator.any("scheduler").update_schedule(
        **{
            name: value
            for name, value in stage.emulator.any("scheduler").get_schedule(Name="mfa-guard-sweep").items()
            if name in ("Name", "ScheduleExpression", "FlexibleTimeWindow", "Target")
        },
        State="ENABLED",
    )
    _make_news(stage, "unseen")
    # A scheduled sweep sends such news at six in the morning.
    stage.account.clock.advance(timedelta(days=1))
    stage.account.run_schedule()


def _exempt_user(stage: Stage) -> None:
    if "robot" not in stage.account.iam.users:
        stage.emulator.iam.create_user(UserName="robot")
    record = {
        "user_id": stage.account.iam.users["robot"].id,
        "user_name": "robot",
        "owner": "platform",
        "reason": "signs releases",
        "created_by": "carol",
        "expires_at": f"{stage.account.clock.now():%Y}-12-31T00:00:00Z",
    }
    stage.carol.dynamodb.put_item(
        TableName=stage.ref("ExemptionsTable"), Item={name: {"S": value} for name, value in record.items()}
    )


ROWS: Final = (
    Row(
        f"{USER}NewCredentials",
        USER,
        _create_user,
        NoticeKind.NONCOMPLIANT,
        Severity.MEDIUM,
        ("alice", CAROL),
    ),
    Row(
        f"{USER}NewCredentials",
        USER,
        _create_root_key,
        NoticeKind.ROOT_CREDENTIALS,
        Severity.CRITICAL,
        ("root", "CreateAccessKey"),
    ),
    Row(
        f"{USER}NewCredentials",
        USER,
        _create_git_credentials,
        NoticeKind.NONCOMPLIANT,
        Severity.HIGH,
        ("heidi", CAROL),
    ),
    Row(f"{USER}MfaDevices", USER, _remove_device, NoticeKind.NONCOMPLIANT, Severity.HIGH, ("bob", CAROL)),
    Row(
        f"{USER}EnforcementRemoved",
        USER,
        _detach_own_policy,
        NoticeKind.ENFORCEMENT_REMOVED,
        Severity.HIGH,
        ("mallory", "user/mallory"),
    ),
    Row(f"{USER}TagsChanged", USER, _remove_tag, NoticeKind.TAGS_CHANGED, Severity.MEDIUM, ("dave", CAROL)),
    Row(
        f"{USER}UserRenamed",
        USER,
        _rename_older_user,
        NoticeKind.NONCOMPLIANT,
        Severity.MEDIUM,
        ("new-name", CAROL),
    ),
    Row(f"{USER}AccessChanged", USER, _delete_password, NoticeKind.NONCOMPLIANT, Severity.MEDIUM, ("frank", CAROL)),
    Row(
        f"{USER}SignIns",
        USER,
        _sign_in_as_older_user,
        NoticeKind.SIGNED_IN,
        Severity.HIGH,
        ("grace", "user/grace", "198.51.100.7"),
    ),
    Row(
        f"{ALERT}RootSignIn",
        ALERT,
        _sign_in_as_root,
        NoticeKind.ROOT_SIGN_IN,
        Severity.CRITICAL,
        ("root", "198.51.100.99"),
    ),
    Row(
        f"{ALERT}PolicyTampering",
        ALERT,
        _create_policy_version,
        NoticeKind.TAMPERING,
        Severity.CRITICAL,
        (POLICY, CAROL, "CreatePolicyVersion"),
    ),
    Row(
        f"{ALERT}GroupTampering",
        ALERT,
        _attach_policy_to_group,
        NoticeKind.TAMPERING,
        Severity.HIGH,
        ("mfa-guard-enforced", CAROL, "AttachGroupPolicy"),
    ),
    Row(
        f"{ALERT}RoleTampering",
        ALERT,
        _attach_policy_to_role,
        NoticeKind.TAMPERING,
        Severity.CRITICAL,
        ("mfa-guard-AlertFunctionRole", CAROL, "AttachRolePolicy"),
    ),
    Row(
        f"{ALERT}RuleTampering",
        ALERT,
        _disable_rule,
        NoticeKind.TAMPERING,
        Severity.CRITICAL,
        ("mfa-guard-mfa-devices", CAROL, "DisableRule"),
    ),
    Row(
        f"{ALERT}RuleWatch",
        ALERT,
        _disable_watching_rule,
        NoticeKind.TAMPERING,
        Severity.CRITICAL,
        ("mfa-guard-rule-tampering", CAROL, "DisableRule"),
    ),
    Row(
        f"{ALERT}MappingTampering",
        ALERT,
        _map_another_source,
        NoticeKind.TAMPERING,
        Severity.CRITICAL,
        ("mfa-guard-UserEventFunction", CAROL, "CreateEventSourceMapping20150331"),
    ),
    Row(
        f"{ALERT}VirtualDevices",
        ALERT,
        _create_many_devices,
        NoticeKind.UNASSIGNED_DEVICES,
        Severity.HIGH,
        ("belong to no user", CAROL, "CreateVirtualMFADevice"),
    ),
    Row(
        f"{ALERT}ScheduleTampering",
        ALERT,
        _disable_schedule,
        NoticeKind.TAMPERING,
        Severity.HIGH,
        ("mfa-guard-sweep", CAROL, "UpdateSchedule"),
    ),
    Row(
        f"{ALERT}FunctionTampering",
        ALERT,
        _throttle_function,
        NoticeKind.TAMPERING,
        Severity.CRITICAL,
        ("mfa-guard-SweepFunction", CAROL, "PutFunctionConcurrency20171031"),
    ),
    Row(
        f"{ALERT}TopicTampering",
        ALERT,
        _subscribe_to_notices,
        NoticeKind.TAMPERING,
        Severity.HIGH,
        ("mfa-guard-NoticesTopic", CAROL, "Subscribe"),
        topic="OperationsTopic",
    ),
    Row(
        f"{ALERT}QueueTampering",
        ALERT,
        _purge_queue,
        NoticeKind.TAMPERING,
        Severity.HIGH,
        ("mfa-guard-DeadLetterQueue", CAROL, "PurgeQueue"),
    ),
    Row(
        f"{ALERT}AlarmTampering",
        ALERT,
        _disable_alarm,
        NoticeKind.TAMPERING,
        Severity.HIGH,
        ("mfa-guard-heartbeat", CAROL, "DisableAlarmActions"),
    ),
    Row(
        f"{ALERT}TableTampering",
        ALERT,
        _disable_backups,
        NoticeKind.TAMPERING,
        Severity.HIGH,
        ("mfa-guard-ExemptionsTable", CAROL, "UpdateContinuousBackups"),
    ),
    Row(
        f"{ALERT}TrailTampering",
        ALERT,
        _stop_trail,
        NoticeKind.TAMPERING,
        Severity.CRITICAL,
        (TRAIL, CAROL, "StopLogging"),
    ),
    Row(
        f"{ALERT}StackChange",
        ALERT,
        _disable_termination_protection,
        NoticeKind.STACK_CHANGE,
        Severity.MEDIUM,
        ("mfa-guard", CAROL, "UpdateTerminationProtection"),
    ),
    # Not rules, but an event source mapping and a schedule of the stack.
    Row(
        f"{ALERT}ExemptionChanged",
        ALERT,
        _exempt_user,
        NoticeKind.EXEMPTION,
        Severity.MEDIUM,
        ("robot", "signs releases"),
    ),
    Row(f"{SWEEP}SweepRequested", SWEEP, _request_sweep, DIGEST, Severity.HIGH, ("overlooked", TRAIL)),
    Row(f"{SWEEP}Daily", SWEEP, _run_schedule, DIGEST, Severity.HIGH, ("unseen",)),
)
# moto has no Cloud Control.
NOT_CALLED: Final = {f"{ALERT}CloudControlTampering"}
NOT_RULES: Final = {f"{ALERT}ExemptionChanged", f"{SWEEP}Daily"}


@pytest.mark.parametrize("row", ROWS, ids=lambda each: f"{each.rule}-{each.act.__name__.strip('_')}")
def test_a_call_becomes_a_mail(account: LocalAccount, stack: Stack, recorder: Recorder, row: Row) -> None:
    mails_before, before = len(account.mailbox.mails), len(recorder.deliveries)
    row.act(Stage(account, stack))
    wait_until_idle(account)
    deliveries = tuple(recorder.deliveries.values())[before:]
    invocations = [each for delivery in deliveries for each in delivery.invocations]
    assert [each for each in invocations if each.failed or each.dead_letter] == []
    assert (row.rule, row.function) in {(each.rule, each.function) for each in invocations}
    mail = the_mail(account.mailbox.mails[mails_before:], row)
    assert (mail.attributes["severity"], mail.topic) == (row.severity, row.topic)
    assert [name for name in row.names if name not in f"{mail.subject}\n{mail.text}"] == []


def the_mail(mails: tuple[Mail, ...], row: Row) -> Mail:
    """Return the mail of the row's kind. There must be exactly one."""
    [found] = [mail for mail in mails if mail.attributes["kind"] == row.kind and row.names[0] in mail.text]
    return found


def test_every_rule_has_a_row(stack: Stack) -> None:
    assert {row.rule for row in ROWS} - NOT_RULES == {rule.logical_id for rule in stack.rules()} - NOT_CALLED


def test_while_the_event_source_mapping_is_off_exemptions_wait(account: LocalAccount, stack: Stack) -> None:
    stage, mapping = Stage(account, stack), stack.physical_id(f"{ALERT}ExemptionChanged")
    for enabled in (False, True):
        mails_before = len(account.mailbox.mails)
        account.clients.any("lambda").update_event_source_mapping(UUID=mapping, Enabled=enabled)
        _exempt_user(stage)
        wait_until_idle(account)
        kinds = [mail.attributes["kind"] for mail in account.mailbox.mails[mails_before:]]
        assert (NoticeKind.EXEMPTION in kinds) is enabled
