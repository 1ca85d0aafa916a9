"""Every mail that mfa-guard sends, one case per variant, and the golden file with their full text.

`make docs` runs this module, which writes the golden file. test_golden.py fails while a mail reads otherwise.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from mfa_guard.core.account.assessment import Assessment
from mfa_guard.core.account.key_deactivation import DeactivationStep, KeyDeactivation
from mfa_guard.core.account.treatment import Treatment
from mfa_guard.core.alerts import parse_alert
from mfa_guard.core.attachments import AttachmentRoute, WriteResult
from mfa_guard.core.cloudtrail import parse_user_event
from mfa_guard.core.exemption import MalformedExemption
from mfa_guard.core.exemption_changes import parse_exemption_change
from mfa_guard.core.health.checks import Check, Verdict
from mfa_guard.core.mail.alert_notices import alert_message, renamed_user_message, root_message
from mfa_guard.core.mail.changes import describe_changes, describe_key_step
from mfa_guard.core.mail.digest import Digest, digest_message
from mfa_guard.core.mail.digest_lines import exemption_change_lines
from mfa_guard.core.mail.layout import Message
from mfa_guard.core.mail.notice_context import NoticeContext
from mfa_guard.core.mail.notices import exemption_message, user_message
from mfa_guard.core.mail.summary import summary_message
from mfa_guard.core.mail.tally import Tally
from mfa_guard.core.notice_kinds import NoticeKind, Severity
from mfa_guard.core.plan import Action, EventContext, EventPlan, UserPlan, notice_of, plan_for_event
from mfa_guard.core.settings import EnforceOn, Mode, Settings
from mfa_guard.core.user import NOT_LOADED, UserState
from mfa_guard.core.user_record import NO_RECORD, Standing
from mfa_guard.core.windows import EndedWindow
from support.factories import (
    ACCOUNT,
    MARKED,
    NOW,
    OLD,
    ROOT_OF_THE_PROJECT,
    detail,
    device,
    exemption,
    key,
    long_term_key,
    role_identity,
    service_credential,
    settings,
    state,
    stream_record,
    user_identity,
)
from support.messages import mail

GOLDEN: Final = ROOT_OF_THE_PROJECT / "tests" / "unit" / "core" / "mail" / "golden" / "mails.txt"


NOTHING_WRITTEN: Final = WriteResult()
DEFAULTS: Final = settings()


@dataclass(frozen=True)
class UserCase:
    """A notice about a user: the event, the user as IAM shows them, what mfa-guard wrote, and the settings."""

    record: Mapping[str, object]
    user: UserState
    result: WriteResult = NOTHING_WRITTEN
    chosen: Settings = DEFAULTS

    def message(self) -> Message:
        """Return the notice that the plan makes due; raises AssertionError when the state lacks a field."""
        event = parse_user_event(self.record)
        decided = plan_for_event(self.user, EventContext.of(event), self.chosen, NOW)
        assert isinstance(decided, EventPlan), f"The case lacks the user's {decided}."
        notice = notice_of(decided, self.result)
        assert notice, "There is nothing to report."
        return user_message(notice, NoticeContext(event, self.user, decided, self.result, self.chosen, NOW))

    def in_audit_mode(self) -> "UserCase":
        """Return the same event and user in audit mode, where nothing was written."""
        return replace(self, result=NOTHING_WRITTEN, chosen=replace(self.chosen, mode=Mode.AUDIT))


def call(name: str, request: Mapping[str, object] | None = None, **changes: object) -> Mapping[str, object]:
    """Return a CloudTrail record whose id never changes, since the mail has it in a link."""
    return detail(name, request, eventID="1c9b0c5e", **changes)


PHONE: Final = device().serial
ATTACHED: Final = WriteResult(route=AttachmentRoute.DIRECT)
IN_GROUP: Final = WriteResult(route=AttachmentRoute.GROUP)
AUDIT: Final = settings(mode=Mode.AUDIT)
CONSOLE_ONLY: Final = settings(enforce_on=EnforceOn.CONSOLE)

NEW: Final = state(devices=(), attached=False)
MACHINE: Final = replace(NEW, password=False, keys=(key(),))
ROOT: Final = {"type": "Root", "accountId": ACCOUNT, "arn": f"arn:aws:iam::{ACCOUNT}:root"}
GIT_MACHINE: Final = replace(
    NEW,
    password=False,
    service_credentials=(service_credential("ACCAEXAMPLE1"),),
)

BOUNDARY: Final = f"arn:aws:iam::{ACCOUNT}:policy/developers"
OLDER: Final = device(f"arn:aws:iam::{ACCOUNT}:mfa/tablet", enabled_at=NOW - timedelta(days=30))
WITHOUT_MFA: Final = {"sessionContext": {"attributes": {"mfaAuthenticated": "false"}}}
ENROLLED: Final = {"userName": "alice", "serialNumber": PHONE}


def new_key(key_id: str, identity: Mapping[str, object] | None = None) -> Mapping[str, object]:
    """Return the record of a new access key of alice."""
    response = {"accessKey": {"userName": "alice", "accessKeyId": key_id, "status": "Active"}}
    return call("CreateAccessKey", responseElements=response, userIdentity=identity or role_identity())


def signed_in() -> Mapping[str, object]:
    """Return the record of a console sign-in of alice without MFA."""
    return call(
        "ConsoleLogin",
        eventSource="signin.amazonaws.com",
        requestParameters=None,
        responseElements={"ConsoleLogin": "Success"},
        additionalEventData={"MFAUsed": "No"},
        userIdentity={"type": "IAMUser", "principalId": "AIDAEXAMPLE", "userName": "alice"},
    )


USER_CASES: Final[Mapping[str, UserCase]] = {
    "noncompliant: a new user with a password and a key in use": UserCase(
        call("CreateUser", userIdentity=user_identity("bob")),
        replace(NEW, keys=(key(), key("AKIAEXAMPLE2", active=False, used=None))),
        ATTACHED,
    ),
    "noncompliant: a user with as many policies as IAM allows": UserCase(
        call("CreateLoginProfile"), NEW, replace(IN_GROUP, fell_back=True)
    ),
    "noncompliant: a user in as many groups as IAM allows": UserCase(
        call("CreateLoginProfile"),
        NEW,
        replace(ATTACHED, fell_back=True),
        settings(enforce_through=AttachmentRoute.GROUP),
    ),
    "noncompliant: an enforced user lost the last device": UserCase(
        call("DeactivateMFADevice"), state(devices=(), keys=(key(),))
    ),
    "noncompliant: a new user with an access key only": UserCase(
        call("CreateAccessKey"), replace(NEW, password=False, keys=(key(used=None),)), ATTACHED
    ),
    "noncompliant: a new user without any credential": UserCase(
        call("CreateUser"), replace(NEW, password=False), ATTACHED
    ),
    "noncompliant: not enforced, because EnforceOn covers console users": UserCase(
        call("CreateUser"), replace(NEW, password=False), chosen=CONSOLE_ONLY
    ),
    "noncompliant: Mode audit": UserCase(call("CreateUser"), replace(NEW, keys=(key(),)), chosen=AUDIT),
    "new-credential: an access key": UserCase(
        new_key("AKIAEXAMPLE1", long_term_key("mallory")),
        state(devices=(), tags=MARKED, keys=(key(used=None),)),
    ),
    "new-credential: an access key that IAM does not list": UserCase(
        new_key("AKIAEXAMPLE2"), state(devices=(), tags=MARKED, keys=(key(used=None),))
    ),
    "new-credential: an SSH public key": UserCase(
        call("UploadSSHPublicKey", responseElements={"sSHPublicKey": {"sSHPublicKeyId": "APKAEXAMPLE"}}),
        state(devices=(), tags=MARKED),
    ),
    "new-credential: the password was reset": UserCase(call("UpdateLoginProfile"), state(devices=(), tags=MARKED)),
    "solved": UserCase(call("EnableMFADevice", userIdentity=user_identity("alice")), state(tags=MARKED)),
    "solved: an active machine user": UserCase(
        call("EnableMFADevice", userIdentity=user_identity("alice")),
        state(attached=False, password=False, keys=(key(),), tags=MARKED),
    ),
    "solved: Mode audit, few facts loaded, no help URL": UserCase(
        call(
            "EnableMFADevice",
            userIdentity=user_identity("alice", **WITHOUT_MFA),
        ),
        UserState(
            "alice",
            "AIDAEXAMPLE",
            "/",
            MARKED,
            NOW - OLD,
            exemption=None,
            devices=(device(),),
            attached=True,
            record=NO_RECORD,
        ),
        chosen=replace(AUDIT, help_url=""),
    ),
    "decision: a machine with an access key in use": UserCase(new_key("AKIAEXAMPLE2"), MACHINE),
    "decision: the policy was detached": UserCase(
        call("DetachUserPolicy", userIdentity=long_term_key("mallory")), MACHINE
    ),
    "decision: the password was deleted": UserCase(call("DeleteLoginProfile"), MACHINE),
    "decision: a machine with a service-specific credential": UserCase(call("CreateAccessKey"), GIT_MACHINE),
    "enforcement-removed: restored": UserCase(call("DetachUserPolicy"), state(attached=False), ATTACHED),
    "enforcement-removed: from the group, by an access key": UserCase(
        call("RemoveUserFromGroup", userIdentity=long_term_key("mallory")), state(), ATTACHED
    ),
    "enforcement-removed: not restored, because EnforceOn covers console users": UserCase(
        call("DetachUserPolicy"), replace(NEW, password=False, tags=MARKED), chosen=CONSOLE_ONLY
    ),
    "enforcement-removed: Mode audit": UserCase(call("DetachUserPolicy"), state(attached=False), chosen=AUDIT),
    "tags-changed: removed from a user without a device": UserCase(call("UntagUser"), state(devices=())),
    "tags-changed: set on a user with a device": UserCase(call("TagUser"), state(tags=MARKED)),
    "tags-changed: another date": UserCase(call("TagUser"), state(devices=(), tags=MARKED)),
    "tags-changed: Mode audit": UserCase(call("UntagUser"), state(devices=()), chosen=AUDIT),
    "device-enrolled: the first device, by the user's own key": UserCase(
        call("EnableMFADevice", ENROLLED, userIdentity=long_term_key("alice")), state(tags=MARKED)
    ),
    "device-enrolled: the user's own key, and the device is gone": UserCase(
        call("EnableMFADevice", ENROLLED, userIdentity=long_term_key("alice")), state(devices=())
    ),
    "device-enrolled: another device, without MFA": UserCase(
        call("EnableMFADevice", ENROLLED, userIdentity=user_identity("alice", **WITHOUT_MFA)),
        state(devices=(OLDER, device())),
    ),
    "device-enrolled: another device, by the user's own key": UserCase(
        call("EnableMFADevice", ENROLLED, userIdentity=long_term_key("alice")), state(devices=(OLDER, device()))
    ),
    "device-enrolled: by a role session": UserCase(call("EnableMFADevice", ENROLLED), state()),
    "device-enrolled: by another user's key": UserCase(
        call("EnableMFADevice", ENROLLED, userIdentity=long_term_key("mallory")), state()
    ),
    "device-removed": UserCase(call("DeactivateMFADevice", ENROLLED), state(devices=(OLDER,))),
    "device-removed: the record does not name the device": UserCase(call("DeactivateMFADevice"), state()),
    "signed-in-without-mfa": UserCase(signed_in(), NEW, ATTACHED),
    "signed-in-without-mfa: Mode audit": UserCase(signed_in(), NEW, chosen=AUDIT),
    "enrollment-blocked": UserCase(
        call("PutUserPermissionsBoundary", {"userName": "alice", "permissionsBoundary": BOUNDARY}),
        state(devices=(), tags=MARKED, boundary=BOUNDARY, boundary_blocks=True),
    ),
    "enrollment-blocked: Mode audit": UserCase(
        call("PutUserPermissionsBoundary", {"userName": "alice", "permissionsBoundary": BOUNDARY}),
        replace(NEW, boundary=BOUNDARY, boundary_blocks=True),
        chosen=AUDIT,
    ),
    "enforced: the user was renamed": UserCase(
        call("UpdateUser", {"userName": "mallory", "newUserName": "alice"}), state(attached=False), ATTACHED
    ),
    "enforced: no key in use": UserCase(call("CreateAccessKey"), state(attached=False), IN_GROUP),
    "enforced: keys in use stop": UserCase(
        call("CreateAccessKey"), state(attached=False, keys=(key(), key("AKIAEXAMPLE2"))), ATTACHED
    ),
    "enforced: the exemption expired": UserCase(
        call("CreateAccessKey"), state(attached=False, exemption=exemption(ends=-timedelta(days=1))), ATTACHED
    ),
    "enforced: the exemption record is not valid": UserCase(
        call("CreateAccessKey"),
        state(attached=False, exemption=MalformedExemption("The exemption record lacks owner.")),
        ATTACHED,
    ),
    "enforced: Mode audit, no key in use": UserCase(call("CreateAccessKey"), state(attached=False), chosen=AUDIT),
    "enforced: Mode audit, keys in use would stop": UserCase(
        call("CreateAccessKey"), state(attached=False, keys=(key(), key("AKIAEXAMPLE2"))), chosen=AUDIT
    ),
    "exempt-without-device": UserCase(call("DeactivateMFADevice"), replace(NEW, exemption=exemption())),
    "released: the policy and the group": UserCase(
        call("CreateAccessKey"),
        state(in_group=True, exemption=exemption(), devices=(), tags=MARKED),
        WriteResult(released=(AttachmentRoute.DIRECT, AttachmentRoute.GROUP)),
    ),
    "released: exempt by path": UserCase(
        call("CreateAccessKey"),
        state(path="/machines/ci/"),
        WriteResult(released=(AttachmentRoute.DIRECT,)),
        settings(exempt_path_prefixes=("/machines/",)),
    ),
    "released: Mode audit": UserCase(
        call("CreateAccessKey"), state(in_group=True, exemption=exemption()), chosen=AUDIT
    ),
    "not-enforced: quotas": UserCase(
        call("CreateUser"),
        NEW,
        WriteResult(
            problem="the policy could not be attached, and the user could not be added to the group. IAM said: Cannot "
            "exceed quota for PoliciesPerUser: 10; Cannot exceed quota for GroupsPerUser: 10."
        ),
    ),
    "not-enforced: the policy is missing": UserCase(
        call("CreateAccessKey"),
        state(attached=False),
        WriteResult(problem="the enforcement policy or group does not exist.", retry=True),
    ),
    "not-tagged": UserCase(
        call("CreateUser"),
        NEW,
        replace(
            ATTACHED,
            problem="the noncompliance tags cannot be set. IAM said: Cannot exceed quota for TagsPerUser: 50.",
            not_tagged=True,
        ),
    ),
}


def alerted(name: str, request: Mapping[str, object], source: str, **changes: object) -> Message:
    """Return the notice that AlertFunction sends about an API call of a service."""
    return alert_message(parse_alert(call(name, request, eventSource=f"{source}.amazonaws.com", **changes)), settings())


EXEMPTION_ITEM: Final[Mapping[str, str]] = {
    "user_id": "AIDAEXAMPLE",
    "user_name": "alice",
    "owner": "platform team",
    "reason": "build machine",
    "created_by": "role/Admin/bob",
    "expires_at": "2026-04-01T00:00:00Z",
}


def exemption_changed(name: str, item: Mapping[str, str] | None, old: Mapping[str, str] | None = None) -> Message:
    """Return the notice about a record of the exemption table's stream: INSERT, MODIFY or REMOVE."""
    return exemption_message(parse_exemption_change(stream_record(name, item, old=old), NOW), settings(), NOW)


def root_changed() -> Message:
    """Return the notice about a new access key of the root user."""
    response = {"accessKey": {"accessKeyId": "AKIAEXAMPLE7", "userName": "an-alias", "status": "Active"}}
    record = call("CreateAccessKey", {}, userIdentity=ROOT, responseElements=response)
    return root_message(parse_user_event(record), settings())


def root_enrolled() -> Message:
    """Return the notice about a new MFA device of the root user."""
    serial = f"arn:aws:iam::{ACCOUNT}:mfa/root-account-mfa-device"
    record = call("EnableMFADevice", {"userName": "AWS ROOT USER", "serialNumber": serial}, userIdentity=ROOT)
    return root_message(parse_user_event(record), settings())


def renamed_user_lost() -> Message:
    """Return the notice about a renamed user who was not found."""
    record = call("UpdateUser", {"userName": "alice", "newUserName": "bob"}, userIdentity=long_term_key("mallory"))
    return renamed_user_message(parse_user_event(record), settings())


def noted(
    name: str, request: Mapping[str, object], source: str, note: str, severity: Severity = Severity.CRITICAL
) -> Message:
    """Return the notice with a sentence on what AlertFunction found out."""
    alert = parse_alert(call(name, request, eventSource=f"{source}.amazonaws.com"))
    return alert_message(replace(alert, notes=(note,), severity=severity), settings())


def root_signed_in(**changes: object) -> Message:
    """Return the notice about a sign-in of the root user, with `changes` of the CloudTrail record."""
    return alerted("ConsoleLogin", {}, "signin", userIdentity=ROOT, **changes)


# Every case is built when it is asked for, so that a mutated function is called by the test that finds it.
NOTICES: Final[Mapping[str, Callable[[], Message]]] = {
    **{title: case.message for title, case in USER_CASES.items()},
    "renamed-user-not-found": renamed_user_lost,
    "root-credentials": root_changed,
    "root-sign-in: with MFA": lambda: root_signed_in(additionalEventData={"MFAUsed": "Yes"}),
    "root-sign-in: without MFA": lambda: root_signed_in(additionalEventData={"MFAUsed": "No"}),
    "root-sign-in: CloudTrail does not say whether MFA was used": root_signed_in,
    "root-credentials: an MFA device is enabled": root_enrolled,
    "tampering: a rule is enabled again": lambda: alerted("EnableRule", {"name": "mfa-guard-mfa-devices"}, "events"),
    "tampering: a rule, through another CloudFormation stack": lambda: noted(
        "DeleteRule",
        {"name": "mfa-guard-mfa-devices"},
        "events",
        "CloudFormation made this call, but mfa-guard's own stack did not change the resource at that time. So the "
        "call belongs to another stack, or to another way to let CloudFormation make calls.",
    ),
    "tampering: the mapping of the exemption table": lambda: alerted(
        "UpdateEventSourceMapping20150331", {"uUID": "14e0db71-5b2d-4c6d-8b1c-6d1f4e2a9c10", "enabled": False}, "lambda"
    ),
    "tampering: through Cloud Control": lambda: alerted(
        "UpdateResource",
        {"typeName": "AWS::CloudWatch::Alarm", "identifier": "mfa-guard-heartbeat"},
        "cloudcontrolapi",
    ),
    "tampering: a trail that feeds mfa-guard stops": lambda: noted(
        "StopLogging",
        {"name": "main"},
        "cloudtrail",
        "mfa-guard receives IAM's events through this trail.",
    ),
    "tampering: the selectors of a trail that mfa-guard does not need": lambda: noted(
        "PutEventSelectors",
        {
            "trailName": "audit",
            "eventSelectors": [{"readWriteType": "ReadOnly", "excludeManagementEventSources": ["kms.amazonaws.com"]}],
        },
        "cloudtrail",
        "At the last sweep, mfa-guard did not receive IAM's events through this trail.",
        Severity.MEDIUM,
    ),
    "unassigned-devices": lambda: alerted("CreateVirtualMFADevice", {"virtualMFADeviceName": "x"}, "iam"),
    "tampering: a rule is disabled": lambda: alerted("DisableRule", {"name": "mfa-guard-mfa-devices"}, "events"),
    "tampering: the enforcement policy": lambda: alerted(
        "CreatePolicyVersion", {"policyArn": settings().policy_arn}, "iam", userIdentity=long_term_key("mallory")
    ),
    "stack-change": lambda: alerted("UpdateStack", {"stackName": "mfa-guard"}, "cloudformation"),
    "exemption: added": lambda: exemption_changed("INSERT", EXEMPTION_ITEM),
    "exemption: removed": lambda: exemption_changed("REMOVE", None, EXEMPTION_ITEM),
    "exemption: expired": lambda: exemption_changed("MODIFY", {**EXEMPTION_ITEM, "expires_at": "2026-01-01T00:00:00Z"}),
    "exemption: not valid": lambda: exemption_changed(
        "INSERT", {name: value for name, value in EXEMPTION_ITEM.items() if name != "owner"}
    ),
}


def assessment(name: str, standing: Standing, *actions: Action, certain: bool = True, **changes: object) -> Assessment:
    """Return what a sweep finds about one user."""
    return Assessment(state(name=name, id=f"AIDA{name.upper()}", **changes), UserPlan(standing, actions), certain)


ANN: Final = assessment("ann", Standing.ENFORCED)
BOB: Final = assessment("bob", Standing.ENFORCED, devices=(), tags=MARKED)
CARL: Final = assessment(
    "carl", Standing.ENFORCED, Action.ENFORCE, Action.MARK, devices=(), attached=False, keys=(key("key 1"),)
)
IDLE: Final = assessment(
    "idle",
    Standing.ENFORCED,
    Action.ENFORCE,
    Action.MARK,
    certain=False,
    devices=(),
    attached=False,
    password=False,
)
CI: Final = assessment(
    "ci", Standing.ACTIVE_MACHINE, devices=(), attached=False, password=False, keys=(key("key 1"),), tags=MARKED
)
GIT: Final = assessment(
    "git", Standing.ACTIVE_MACHINE, devices=(), attached=False, password=False, keys=NOT_LOADED, tags=MARKED
)
EVE: Final = assessment("eve", Standing.EXEMPT, devices=(), attached=False)
RITA: Final = assessment("rita", Standing.EXEMPT, Action.RELEASE, Action.CLEAR, tags=MARKED)

_TRAIL: Final = "arn:aws:cloudtrail:us-east-1:111122223333:trail/main"
FINE: Final = Check("trail", Verdict.FINE, f"{_TRAIL} is logging and records IAM's management write events.", "")
BAD: Final = Check(
    "dead-letter queue",
    Verdict.PROBLEM,
    "Events that could not be handled: 2.",
    "The queue keeps them for 14 days. Fix the cause that the functions' logs show. Then redrive the events with "
    "mfa-guard dead-letters redrive, or as docs/dead-letters.md describes, from "
    "https://sqs.us-east-1.amazonaws.com/111122223333/dead-letters",
)
ADVICE: Final = Check(
    "termination protection",
    Verdict.PROBLEM,
    "Termination protection is disabled, so one API call can delete the stack.",
    "Enable it: aws cloudformation update-termination-protection --enable-termination-protection --region us-east-1 "
    "--stack-name mfa-guard",
    advisory=True,
)
UNSURE: Final = Check(
    "trail",
    Verdict.CANNOT_VERIFY,
    f"It is not certain that a trail delivers IAM's events: {_TRAIL} cannot be read (AccessDenied).",
    "Ask the owner of the trail whether it logs management write events. If changes to users lead to notices, it does.",
)


def digest(
    *assessments: Assessment,
    writes: bool = True,
    changes: Iterable[tuple[str, str]] = (),
    failures: Iterable[tuple[str, str]] = (),
    in_scope: bool | None = None,
    **more: object,
) -> Digest:
    """Return a sweep's digest in which all is fine, with `changes`, `failures` and `more`.

    `in_scope`: whether the sweep may change the users; by default, as it `writes`.
    """
    tally, may_change = Tally(NOW), writes if in_scope is None else in_scope
    for each in assessments:
        tally.add(each, in_scope=may_change, carried_out=writes and may_change)
    for name, text in changes:
        tally.change(name, text)
    for name, reason in failures:
        tally.failure(name, reason)
    base = Digest(
        tally=tally,
        not_written=(),
        held=(),
        exemptions={},
        exemption_changes=(),
        dead_letters=(),
        checks=(FINE,),
        writes=writes,
        report_problem=None,
        users_left=0,
    )
    return replace(base, **more)  # type: ignore[arg-type]


SWEEPING: Final = settings(mode=Mode.ALL, deactivate_keys_after_days=30)


def swept(name: str, standing: Standing, *actions: Action, **treatment: object) -> tuple[str, str]:
    """Return the digest's line about what a sweep did to one user, with an expired exemption and a key in use."""
    user = state(name=name, keys=(key(),), exemption=exemption(ends=timedelta(0)), tags=MARKED)
    found = Assessment(user, UserPlan(standing, actions), certain=True)
    text = describe_changes(Treatment(found, **treatment), NOW)  # type: ignore[arg-type]
    assert text, name
    return name, text


def key_step(name: str, deactivation: KeyDeactivation) -> tuple[str, str]:
    """Return the digest's line about access keys that are announced or deactivated."""
    found = Assessment(state(name=name), UserPlan(Standing.ENFORCED, ()), certain=True, key_deactivation=deactivation)
    return name, describe_key_step(found, [key().id])


def swept_users() -> tuple[tuple[str, str], ...]:
    """Return a line of the digest for each kind of change."""
    return (
        swept("amy", Standing.ENFORCED, result=ATTACHED, tagged=(Action.MARK,)),
        swept("ben", Standing.ENFORCED, result=IN_GROUP, tagged=(Action.CLEAR,)),
        swept("cat", Standing.EXEMPT, result=WriteResult(released=(AttachmentRoute.DIRECT,))),
        key_step("dot", KeyDeactivation(DeactivationStep.ANNOUNCE, NOW + timedelta(days=7))),
        key_step("eli", KeyDeactivation(DeactivationStep.DEACTIVATE, NOW)),
        ("flo", "deleted while the sweep ran"),
    )


SOON: Final = KeyDeactivation(DeactivationStep.NOTHING, NOW + timedelta(days=3))

DIGESTS: Final[Mapping[str, Callable[[], Message]]] = {
    "digest: Mode events, with planned changes, decisions and exemptions": lambda: digest_message(
        digest(
            ANN,
            BOB,
            CARL,
            CI,
            GIT,
            IDLE,
            EVE,
            RITA,
            writes=False,
            checks=(FINE, BAD, ADVICE),
            report_problem="IAM did not finish the credential report in 60 seconds. The next sweep tries again.",
            exemptions={
                "AIDA1": exemption(ends=timedelta(days=3)),
                "AIDA2": exemption(ends=timedelta(days=15)),
                "AIDA3": exemption(ends=timedelta(0)),
                "AIDA4": MalformedExemption("The exemption record lacks owner."),
            },
        ),
        settings(),
        NOW,
    ),
    "digest: Mode all, with changes, failures, and a round that continues": lambda: digest_message(
        digest(
            ANN,
            replace(BOB, key_deactivation=SOON),
            CI,
            changes=swept_users(),
            failures=(("dan", "AccessDenied: User is not authorized to perform iam:AttachUserPolicy"),),
            not_written=("fay: the tags cannot be set. IAM said: Cannot exceed quota for TagsPerUser: 50.",),
            held=("gus: enforced (policy attached) (at 2026-03-01 11:00 UTC)",),
            exemption_changes=tuple(
                exemption_change_lines(
                    {"AIDA5": "0", "AIDA6": "0"},
                    {"AIDA4": MalformedExemption("The exemption record lacks owner."), "AIDA5": exemption()},
                )
            ),
            dead_letters=(
                "2 handed over again, or made unnecessary by this sweep",
                "1 stay in the queue; to list them: mfa-guard dead-letters list",
                "CreateUser about hal: handed over twice, and failed again. RetriesExhausted",
            ),
            dead_letters_left=1,
            windows=1,
            checks=(UNSURE,),
            users_left=3,
        ),
        replace(SWEEPING, enforce_through=AttachmentRoute.GROUP),
        NOW,
    ),
    "digest: a round that changed no user before its time ran out": lambda: digest_message(
        digest(BOB, users_left=3), SWEEPING, NOW
    ),
    "digest: Mode events, with users in scope": lambda: digest_message(
        digest(ANN, BOB, CARL, CI, in_scope=False), settings(), NOW
    ),
    "digest: nothing to do": lambda: digest_message(digest(ANN), replace(SWEEPING, help_url=""), NOW),
}

SUMMARIES: Final[Mapping[str, Callable[[], Message]]] = {
    "summary: many users without a device, more than it lists": lambda: summary_message(
        EndedWindow(
            NoticeKind.NONCOMPLIANT,
            {
                f"held#1772366400#AIDA{name.upper()}#{name}": f"2026-03-01T12:00:00Z HIGH: {name} has no MFA device "
                f"(event 11111111-2222-3333-4444-{number:012})"
                for number, name in enumerate(("ann", "bob", "carl"), 1)
            },
            {"more#1772366400": 40},
        ),
        settings(),
        NOW,
    ),
    "summary: another kind": lambda: summary_message(
        EndedWindow(
            NoticeKind.SOLVED,
            {"held#1772366400#AIDAANN#1": "2026-03-01T12:00:00Z LOW: ann has an MFA device (event 1)"},
        ),
        settings(),
        NOW,
    ),
}
EVERY_MAIL: Final = {**NOTICES, **DIGESTS, **SUMMARIES}


def render() -> str:
    """Return the golden file's text: for each mail a title, the subject line and the text."""
    line = "=" * 100
    messages = ((title, build()) for title, build in EVERY_MAIL.items())
    return "\n".join(
        f"{line}\n{title}\n{line}\nSubject: {message.subject}\n\n{mail(message)}" for title, message in messages
    )


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(render(), "utf-8")
