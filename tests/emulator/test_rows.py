"""From API call to mail: for each rule of the stack somebody makes a call, and the administrators read about it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import pytest

from mfa_guard.core.mail.digest import KIND as DIGEST
from mfa_guard.core.notice_kinds import NoticeKind, Severity
from mfa_guard_cli.stack.template import Stack
from mfa_guard_emulator.aws.account import LocalAccount
from mfa_guard_emulator.aws.mailbox import Mail
from mfa_guard_emulator.aws.resources import Clients
from mfa_guard_emulator.aws.surroundings import ADMINISTRATOR, TRAIL
from support.local import Heard, administrator, new_device, new_key, root, settle, with_credentials

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
    """The account, and whoever calls. `hands` leave no record."""

    account: LocalAccount
    stack: Stack

    @property
    def hands(self) -> Clients:
        return self.account.clients

    @property
    def carol(self) -> Clients:
        return administrator(self.account)

    def ref(self, logical_id: str) -> str:
        return str(self.stack.resolve({"Ref": logical_id}))


@dataclass(frozen=True)
class Row:
    """What somebody does, which rule it wakes, and the mail. `names` are words of the mail: who, and what or whom."""

    rule: str
    function: str
    happens: Callable[[Stage], object]
    kind: NoticeKind | str
    severity: Severity
    names: tuple[str, ...]
    topic: str = "NoticesTopic"


def _somebody_is_created(stage: Stage) -> None:
    stage.carol.iam.create_user(UserName="alice")


def _root_creates_its_own_key(stage: Stage) -> None:
    root(stage.account).iam.create_access_key()


def _a_device_is_taken_away(stage: Stage) -> None:
    stage.hands.iam.create_user(UserName="bob")
    stage.hands.iam.create_login_profile(UserName="bob", Password=PASSWORD)
    new_device(stage.account, PHONE)
    stage.account.iam.enable_mfa_device("bob", PHONE, "", "")
    stage.carol.iam.deactivate_mfa_device(UserName="bob", SerialNumber=PHONE)


def _somebody_frees_himself(stage: Stage) -> None:
    stage.hands.iam.create_user(UserName="mallory")
    # Without a password she would be a machine at work, whom the guard leaves alone.
    stage.hands.iam.create_login_profile(UserName="mallory", Password=PASSWORD)
    stage.hands.iam.attach_user_policy(UserName="mallory", PolicyArn=POLICY)
    new_device(stage.account, PHONE)
    stage.account.iam.enable_mfa_device("mallory", PHONE, "", "")
    own = with_credentials(stage.account, new_key(stage.account, "mallory"))
    own.iam.detach_user_policy(UserName="mallory", PolicyArn=POLICY)


def _a_tag_is_taken_away(stage: Stage) -> None:
    stage.carol.iam.create_user(UserName="dave")
    settle(stage.account)
    stage.carol.iam.untag_user(UserName="dave", TagKeys=["mfa-guard:status"])


def _somebody_older_is_renamed(stage: Stage) -> None:
    stage.hands.iam.create_user(UserName="old-name")
    stage.carol.iam.update_user(UserName="old-name", NewUserName="new-name")


def _root_signs_in(stage: Stage) -> None:
    stage.account.sign_in(None, mfa=False, address="198.51.100.99", user_agent="Firefox")


def _the_policy_gets_a_version(stage: Stage) -> None:
    statement = {"Effect": "Deny", "Action": "s3:DeleteBucket", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    stage.carol.iam.create_policy_version(PolicyArn=POLICY, PolicyDocument=document)


def _the_group_spreads_rights(stage: Stage) -> None:
    stage.carol.iam.attach_group_policy(GroupName="mfa-guard-enforced", PolicyArn=ADMINISTRATORS_POLICY)


def _a_role_gets_rights(stage: Stage) -> None:
    stage.carol.iam.attach_role_policy(RoleName=stage.ref("AlertFunctionRole"), PolicyArn=ADMINISTRATORS_POLICY)


def _a_rule_is_disabled(stage: Stage) -> None:
    stage.carol.any("events").disable_rule(Name="mfa-guard-mfa-devices")
    stage.hands.events.enable_rule(Name="mfa-guard-mfa-devices")


def _the_schedule_is_disabled(stage: Stage) -> None:
    scheduler = stage.carol.any("scheduler")
    now = dict(stage.hands.any("scheduler").get_schedule(Name="mfa-guard-sweep"))
    kept = {name: now[name] for name in ("Name", "ScheduleExpression", "FlexibleTimeWindow", "Target")}
    scheduler.update_schedule(**kept, State="DISABLED")


def _a_function_is_switched_off(stage: Stage) -> None:
    stage.carol.any("lambda").put_function_concurrency(
        FunctionName=stage.ref("SweepFunction"), ReservedConcurrentExecutions=0
    )
    stage.hands.any("lambda").delete_function_concurrency(FunctionName=stage.ref("SweepFunction"))


def _the_notices_get_another_reader(stage: Stage) -> None:
    stage.carol.sns.subscribe(TopicArn=stage.ref("NoticesTopic"), Protocol="email", Endpoint="mallory@example.com")


def _the_letters_are_thrown_away(stage: Stage) -> None:
    stage.carol.sqs.purge_queue(QueueUrl=stage.ref("DeadLetterQueue"))


def _an_alarm_is_silenced(stage: Stage) -> None:
    stage.carol.any("cloudwatch").disable_alarm_actions(AlarmNames=["mfa-guard-heartbeat"])


def _backups_are_switched_off(stage: Stage) -> None:
    stage.carol.any("dynamodb").update_continuous_backups(
        TableName=stage.ref("ExemptionsTable"),
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False},
    )


def _the_trail_stops(stage: Stage) -> None:
    stage.carol.cloudtrail.stop_logging(Name=TRAIL)


def _the_stack_may_be_deleted(stage: Stage) -> None:
    stage.carol.any("cloudformation").update_termination_protection(
        StackName="mfa-guard", EnableTerminationProtection=False
    )


def _there_is_news(stage: Stage, name: str) -> None:
    """Let there be somebody new, as a digest without news is not sent, and something wrong."""
    stage.hands.iam.create_user(UserName=name)
    stage.hands.cloudtrail.stop_logging(Name=TRAIL)


def _a_sweep_is_asked_for(stage: Stage) -> None:
    _there_is_news(stage, "overlooked")
    entry = {"Source": "mfa-guard", "DetailType": "Sweep requested", "Detail": "{}"}
    stage.carol.events.put_events(Entries=[entry])  # type: ignore[list-item]  # the stubs want a class of their own


def _the_schedule_fires(stage: Stage) -> None:
    stage.hands.any("scheduler").update_schedule(
        **{
            name: value
            for name, value in stage.hands.any("scheduler").get_schedule(Name="mfa-guard-sweep").items()
            if name in ("Name", "ScheduleExpression", "FlexibleTimeWindow", "Target")
        },
        State="ENABLED",
    )
    _there_is_news(stage, "unseen")
    stage.account.fire_schedule()


def _somebody_is_exempted(stage: Stage) -> None:
    stage.hands.iam.create_user(UserName="robot")
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
        _somebody_is_created,
        NoticeKind.NONCOMPLIANT,
        Severity.MEDIUM,
        ("alice", CAROL),
    ),
    Row(
        f"{USER}NewCredentials",
        USER,
        _root_creates_its_own_key,
        NoticeKind.ROOT_CREDENTIALS,
        Severity.CRITICAL,
        ("root", "CreateAccessKey"),
    ),
    Row(f"{USER}MfaDevices", USER, _a_device_is_taken_away, NoticeKind.NONCOMPLIANT, Severity.HIGH, ("bob", CAROL)),
    Row(
        f"{USER}EnforcementRemoved",
        USER,
        _somebody_frees_himself,
        NoticeKind.ENFORCEMENT_REMOVED,
        Severity.HIGH,
        ("mallory", "user/mallory"),
    ),
    Row(f"{USER}TagsChanged", USER, _a_tag_is_taken_away, NoticeKind.TAGS_CHANGED, Severity.MEDIUM, ("dave", CAROL)),
    Row(
        f"{USER}UserRenamed",
        USER,
        _somebody_older_is_renamed,
        NoticeKind.NONCOMPLIANT,
        Severity.MEDIUM,
        ("new-name", CAROL),
    ),
    Row(
        f"{ALERT}RootSignIn",
        ALERT,
        _root_signs_in,
        NoticeKind.ROOT_SIGN_IN,
        Severity.CRITICAL,
        ("root", "198.51.100.99"),
    ),
    Row(
        f"{ALERT}PolicyTampering",
        ALERT,
        _the_policy_gets_a_version,
        NoticeKind.TAMPERING,
        Severity.CRITICAL,
        (POLICY, CAROL, "CreatePolicyVersion"),
    ),
    Row(
        f"{ALERT}GroupTampering",
        ALERT,
        _the_group_spreads_rights,
        NoticeKind.TAMPERING,
        Severity.HIGH,
        ("mfa-guard-enforced", CAROL, "AttachGroupPolicy"),
    ),
    Row(
        f"{ALERT}RoleTampering",
        ALERT,
        _a_role_gets_rights,
        NoticeKind.TAMPERING,
        Severity.CRITICAL,
        ("mfa-guard-AlertFunctionRole", CAROL, "AttachRolePolicy"),
    ),
    Row(
        f"{ALERT}RuleTampering",
        ALERT,
        _a_rule_is_disabled,
        NoticeKind.TAMPERING,
        Severity.CRITICAL,
        ("mfa-guard-mfa-devices", CAROL, "DisableRule"),
    ),
    Row(
        f"{ALERT}ScheduleTampering",
        ALERT,
        _the_schedule_is_disabled,
        NoticeKind.TAMPERING,
        Severity.HIGH,
        ("mfa-guard-sweep", CAROL, "UpdateSchedule"),
    ),
    Row(
        f"{ALERT}FunctionTampering",
        ALERT,
        _a_function_is_switched_off,
        NoticeKind.TAMPERING,
        Severity.CRITICAL,
        ("mfa-guard-SweepFunction", CAROL, "PutFunctionConcurrency20171031"),
    ),
    Row(
        f"{ALERT}TopicTampering",
        ALERT,
        _the_notices_get_another_reader,
        NoticeKind.TAMPERING,
        Severity.HIGH,
        ("mfa-guard-NoticesTopic", CAROL, "Subscribe"),
        topic="OperationsTopic",
    ),
    Row(
        f"{ALERT}QueueTampering",
        ALERT,
        _the_letters_are_thrown_away,
        NoticeKind.TAMPERING,
        Severity.HIGH,
        ("mfa-guard-DeadLetterQueue", CAROL, "PurgeQueue"),
    ),
    Row(
        f"{ALERT}AlarmTampering",
        ALERT,
        _an_alarm_is_silenced,
        NoticeKind.TAMPERING,
        Severity.HIGH,
        ("mfa-guard-heartbeat", CAROL, "DisableAlarmActions"),
    ),
    Row(
        f"{ALERT}TableTampering",
        ALERT,
        _backups_are_switched_off,
        NoticeKind.TAMPERING,
        Severity.HIGH,
        ("mfa-guard-ExemptionsTable", CAROL, "UpdateContinuousBackups"),
    ),
    Row(
        f"{ALERT}TrailTampering",
        ALERT,
        _the_trail_stops,
        NoticeKind.TAMPERING,
        Severity.CRITICAL,
        (TRAIL, CAROL, "StopLogging"),
    ),
    Row(
        f"{ALERT}StackChange",
        ALERT,
        _the_stack_may_be_deleted,
        NoticeKind.STACK_CHANGE,
        Severity.MEDIUM,
        ("mfa-guard", CAROL, "UpdateTerminationProtection"),
    ),
    # What is no rule, but a mapping and a schedule of the stack.
    Row(
        f"{ALERT}ExemptionChanged",
        ALERT,
        _somebody_is_exempted,
        NoticeKind.EXEMPTION,
        Severity.MEDIUM,
        ("robot", "signs releases"),
    ),
    Row(f"{SWEEP}SweepRequested", SWEEP, _a_sweep_is_asked_for, DIGEST, Severity.HIGH, ("overlooked", TRAIL)),
    Row(f"{SWEEP}Daily", SWEEP, _the_schedule_fires, DIGEST, Severity.HIGH, ("unseen",)),
)
NOT_RULES: Final = {f"{ALERT}ExemptionChanged", f"{SWEEP}Daily"}


@pytest.mark.parametrize("row", ROWS, ids=lambda each: f"{each.rule}-{each.happens.__name__.strip('_')}")
def test_a_call_becomes_a_mail(account: LocalAccount, stack: Stack, heard: Heard, row: Row) -> None:
    told, before = len(account.mailbox.mails), len(heard.deliveries)
    row.happens(Stage(account, stack))
    settle(account)
    woken = [each for delivery in tuple(heard.deliveries.values())[before:] for each in delivery.invocations]
    assert [each for each in woken if each.failed or each.dead_letter] == []
    assert (row.rule, row.function) in {(each.rule, each.function) for each in woken}
    mail = the_mail(account.mailbox.mails[told:], row)
    assert (mail.attributes["severity"], mail.topic) == (row.severity, row.topic)
    assert [name for name in row.names if name not in f"{mail.subject}\n{mail.text}"] == []


def the_mail(mails: tuple[Mail, ...], row: Row) -> Mail:
    """Return the mail of the row's kind, of which there has to be one."""
    [found] = [mail for mail in mails if mail.attributes["kind"] == row.kind and row.names[0] in mail.text]
    return found


def test_every_rule_has_a_row(stack: Stack) -> None:
    assert {row.rule for row in ROWS} - NOT_RULES == {rule.logical_id for rule in stack.rules()}
