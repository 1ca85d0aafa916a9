"""What administrators read, word by word: a mail is acted on as it stands."""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from mfa_guard.core.alerts import parse_alert
from mfa_guard.core.attachments import AttachmentRoute, WriteResult
from mfa_guard.core.cloudtrail import parse_user_event
from mfa_guard.core.exemption import MalformedExemption
from mfa_guard.core.exemption_changes import parse_exemption_change
from mfa_guard.core.mail.layout import Message
from mfa_guard.core.mail.notices import NoticeContext, alert_message, exemption_message, root_message, user_message
from mfa_guard.core.mail.shell_commands import enforce_again_command, exempt_command, undo_command
from mfa_guard.core.notice_kinds import NoticeKind
from mfa_guard.core.plan import EventContext, EventPlan, notice_of, plan_for_event
from mfa_guard.core.settings import EnforceOn, Mode, Settings
from mfa_guard.core.user import ServiceCredential, UserState
from support.factories import (
    MARKED,
    NOW,
    detail,
    device,
    exemption,
    key,
    long_term_key,
    settings,
    state,
    stream_record,
    user_identity,
)

ACTOR = "role/Admin/bob@example.com"
SINCE = "2026-02-01T00:00:00Z"
WITHOUT = {"devices": (), "attached": False}
ENROLL = (
    "alice enrolls a device in two minutes: sign in at https://111122223333.signin.aws.amazon.com/console, then "
    "Security credentials, Assign MFA device; sign out and in again."
)
SESSIONS = (
    "From then on, access keys need a session: aws sts get-session-token --serial-number ARN --token-code CODE. With a "
    "passkey only, which has no codes: aws login."
)
ATTACHES = "attaches the policy EnrollMFADeviceThenSignInAgain to alice"
TAGS = "tags alice mfa-guard:status=noncompliant and mfa-guard:since=2026-03-01T12:00:00Z"
UNTAGS = "remove{} the tags mfa-guard:status, mfa-guard:since"


def told(
    record: Mapping[str, object], user: UserState, done: WriteResult | None = None, chosen: Settings | None = None
) -> Message:
    chosen, event = chosen or settings(), parse_user_event(record)
    decided = plan_for_event(user, EventContext.of(event), chosen, NOW)
    assert isinstance(decided, EventPlan)
    result = done or WriteResult()
    notice = notice_of(decided, result)
    assert notice
    return user_message(notice, NoticeContext(event, user, decided, result, chosen, NOW))


def data(message: Message) -> dict[str, Any]:
    found = json.loads(json.loads(message.body)["default"])
    assert isinstance(found, dict)
    return found


def mail(message: Message) -> list[str]:
    return str(json.loads(message.body)["email"]).split("\n")


def test_a_whole_mail() -> None:
    record = detail("CreateUser", eventID="event/1", userIdentity=user_identity("bob"))
    user = state(**WITHOUT, keys=(key(), key("AKIAEXAMPLE2", active=False, used=None)))
    message = told(record, user, WriteResult(route=AttachmentRoute.DIRECT))
    assert message.subject == "HIGH: alice has no MFA device"
    assert mail(message) == [
        "alice has no MFA device. Usable without MFA until now: a console password, access key AKIAEXAMPLE1. The "
        "enforcement policy denies alice everything but enrolling one, until a sign-in with it.",
        "Access keys in use that stop working without MFA: AKIAEXAMPLE1.",
        "",
        "WHAT HAPPENED",
        "  CreateUser at 2026-03-01T11:59:30Z",
        "  by user/bob, in a session with MFA",
        "  from 192.0.2.10",
        '  client, in the caller\'s own words: "aws-cli/2.30"',
        "",
        "THE USER",
        "  alice (id AIDAEXAMPLE, path /)",
        "  MFA devices: none",
        "  Console password: yes",
        "  Access keys: AKIAEXAMPLE1 (active, last used 2026-02-28T12:00:00Z); AKIAEXAMPLE2 (inactive, no use on "
        "record)",
        "",
        "WHAT MFA-GUARD DOES",
        f"  - {ATTACHES}",
        f"  - {TAGS}",
        "",
        "WHAT TO DO NEXT",
        f"  - {ENROLL}",
        f"  - {SESSIONS}",
        "",
        "TO UNDO (records an exemption of 30 days for this user's id, then releases), or: mfa-guard release alice",
        *undo_command(user, (AttachmentRoute.DIRECT,), settings(), NOW).split("\n"),
        "",
        "Account 111122223333. Console: https://console.aws.amazon.com/iam/home#/users/details/alice",
        "Event: https://console.aws.amazon.com/cloudtrailv2/home?region=us-east-1#/events/event%2F1",
        "Help: https://wiki.example.com/mfa",
        "",
    ]
    assert data(message) == {
        "schema": "mfa-guard/notice/1",
        "kind": "noncompliant",
        "severity": "high",
        "account": "111122223333",
        "mode": "events",
        "summary": " ".join(mail(message)[:2]),
        "subject": {"kind": "user", "name": "alice", "id": "AIDAEXAMPLE", "path": "/"},
        "event": {
            "id": "event/1",
            "name": "CreateUser",
            "time": "2026-03-01T11:59:30Z",
            "link": "https://console.aws.amazon.com/cloudtrailv2/home?region=us-east-1#/events/event%2F1",
        },
        "actor": {"label": "user/bob", "mfa": True, "address": "192.0.2.10", "user_agent": "aws-cli/2.30"},
        "done": [ATTACHES, TAGS],
        "next": [ENROLL, SESSIONS],
        "commands": {"undo": undo_command(user, (AttachmentRoute.DIRECT,), settings(), NOW)},
        "program": {"undo": "mfa-guard release alice"},
        "console": "https://console.aws.amazon.com/iam/home#/users/details/alice",
        "help": "https://wiki.example.com/mfa",
    }


def test_what_is_not_known_is_not_mentioned_and_an_audit_says_so() -> None:
    identity = user_identity("bob", sessionContext={"attributes": {"mfaAuthenticated": "false"}})
    record = detail("EnableMFADevice", eventID="1", userIdentity=identity)
    chosen = settings(mode=Mode.AUDIT, help_url="")
    user = UserState("alice", "AIDAEXAMPLE", "/", MARKED, exemption=None, devices=(), attached=True, unfinished=None)
    user = UserState(**{**vars(user), "devices": (device("phone"),)})
    assert mail(told(record, user, chosen=chosen)) == [
        "alice has an MFA device now, and is no longer noncompliant.",
        "",
        "WHAT HAPPENED",
        "  EnableMFADevice at 2026-03-01T11:59:30Z",
        "  by user/bob, in a session without MFA",
        "  from 192.0.2.10",
        '  client, in the caller\'s own words: "aws-cli/2.30"',
        "",
        "THE USER",
        "  alice (id AIDAEXAMPLE, path /)",
        "  MFA devices: phone",
        "",
        "WHAT MFA-GUARD WOULD DO (Mode: audit, nothing is changed)",
        f"  - {UNTAGS.format('')}",
        "",
        "WHAT TO DO NEXT",
        "  - alice signs out and in again: a session opened before enrolling stays without MFA.",
        "",
        "Account 111122223333. Console: https://console.aws.amazon.com/iam/home#/users/details/alice",
        "Event: https://console.aws.amazon.com/cloudtrailv2/home?region=us-east-1#/events/1",
        "",
    ]


CONSOLE_ONLY = settings(enforce_on=EnforceOn.CONSOLE)
AUDIT = settings(mode=Mode.AUDIT)
MACHINE = state(**WITHOUT, password=False, keys=(key(),))
REMOVED = detail("DetachUserPolicy")

# Record, user, what was done, settings -> subject, summary, deeds, next steps.
Case = tuple[Mapping[str, object], UserState, WriteResult, Settings, str, str, Sequence[str], Sequence[str]]
CASES: dict[str, Case] = {
    "without password, left alone": (
        detail("CreateUser"),
        state(**WITHOUT, password=False),
        WriteResult(),
        CONSOLE_ONLY,
        "MEDIUM: alice has no MFA device",
        "alice has no MFA device. There is no console password and no active access key yet. Nothing is enforced: "
        "EnforceOn covers users with a console password only, and there is none.",
        [TAGS],
        ["alice has nothing to sign in with yet. With a password or an access key comes enrolling a device."],
    ),
    "key only": (
        detail("CreateUser"),
        state(devices=(), password=False, keys=(key(used=None),)),
        WriteResult(),
        AUDIT,
        "HIGH: alice has no MFA device",
        "alice has no MFA device. Credentials: access key AKIAEXAMPLE1. In another mode than audit, the policy would "
        "deny alice everything but enrolling one, until a sign-in with it.",
        [TAGS.replace("tags", "tag", 1)],
        [
            "alice has no console password, so the device is enrolled with the access key, if the stack's "
            "AllowEnrollmentWithAccessKeys is yes: aws iam create-virtual-mfa-device, then aws iam enable-mfa-device "
            "with two codes.",
            SESSIONS,
        ],
    ),
    "new credential": (
        detail("CreateAccessKey"),
        state(devices=(), tags=MARKED),
        WriteResult(),
        settings(),
        "HIGH: new credential for alice, no MFA",
        f"alice, without an MFA device since {SINCE}, got a new or reactivated credential from {ACTOR}. Credentials: a "
        "console password.",
        [],
        [ENROLL, SESSIONS],
    ),
    "solved, for a machine": (
        detail("EnableMFADevice"),
        state(attached=False, password=False, keys=(key(),), tags=MARKED),
        WriteResult(),
        settings(),
        "LOW: alice has an MFA device now",
        "alice has an MFA device now, and is no longer noncompliant. The policy still does not bind this active "
        "machine user: that waits for your decision.",
        [UNTAGS.format("s")],
        ["alice signs out and in again: a session opened before enrolling stays without MFA."],
    ),
    "decision": (
        detail("CreateAccessKey"),
        MACHINE,
        WriteResult(),
        settings(),
        "HIGH: decide on machine user alice",
        "alice looks like a active machine user: no console password, and a credential in use. Enforcing MFA would "
        "stop that machine, so mfa-guard does not do so on its own. Until somebody decides, the credential works "
        "without MFA.",
        [TAGS],
        [
            "Decide: exempt the user, with an owner and an end; or enforce, once the machine uses a role or MFA. Both "
            "commands are below."
        ],
    ),
    "detached, put back": (
        REMOVED,
        state(attached=False),
        WriteResult(route=AttachmentRoute.DIRECT),
        settings(),
        "HIGH: policy taken off alice, put back",
        f"{ACTOR} detached the enforcement policy from alice. The policy binds alice again.",
        [ATTACHES],
        ["If it was meant to be, record an exemption first: drift repair respects it."],
    ),
    "detached, bound by an earlier attempt": (
        REMOVED,
        state(unfinished=NoticeKind.ENFORCEMENT_REMOVED),
        WriteResult(),
        settings(),
        "HIGH: policy taken off alice, bound now",
        f"{ACTOR} detached the enforcement policy from alice. The policy binds alice now.",
        [],
        ["If it was meant to be, record an exemption first: drift repair respects it."],
    ),
    "out of the group, still bound": (
        detail("RemoveUserFromGroup"),
        state(),
        WriteResult(),
        settings(),
        "MEDIUM: policy taken off alice, still bound",
        f"{ACTOR} removed alice from the enforcement group. When mfa-guard looked, the policy bound alice.",
        [],
        ["If it was meant to be, record an exemption first: drift repair respects it."],
    ),
    "detached in audit mode": (
        REMOVED,
        state(attached=False),
        WriteResult(),
        AUDIT,
        "HIGH: policy taken off alice",
        f"{ACTOR} detached the enforcement policy from alice. In audit mode it stays off.",
        [ATTACHES.replace("attaches", "attach")],
        ["If it was meant to be, record an exemption first: drift repair respects it."],
    ),
    "detached from whom EnforceOn leaves out": (
        REMOVED,
        state(**WITHOUT, password=False, tags=MARKED),
        WriteResult(),
        CONSOLE_ONLY,
        "HIGH: policy taken off alice",
        f"{ACTOR} detached the enforcement policy from alice. It stays off: EnforceOn covers users with a console "
        "password only.",
        [],
        [
            "If it was meant to be, record an exemption first: drift repair respects it.",
            "alice has nothing to sign in with yet. With a password or an access key comes enrolling a device.",
        ],
    ),
    "tags gone": (
        detail("UntagUser"),
        state(devices=()),
        WriteResult(),
        settings(),
        "MEDIUM: mfa-guard tags of alice changed",
        f"{ACTOR} changed the tags by which mfa-guard marks noncompliant users. The count of days without a device "
        "begins anew.",
        [TAGS],
        [ENROLL, SESSIONS],
    ),
    "tags of somebody with a device": (
        detail("TagUser"),
        state(tags=MARKED),
        WriteResult(),
        settings(),
        "MEDIUM: mfa-guard tags of alice changed",
        f"{ACTOR} changed the tags by which mfa-guard marks noncompliant users. alice has a device, so they go.",
        [UNTAGS.format("s")],
        [],
    ),
    "tags moved": (
        detail("TagUser"),
        state(devices=(), tags=MARKED),
        WriteResult(),
        settings(),
        "MEDIUM: mfa-guard tags of alice changed",
        f"{ACTOR} changed the tags by which mfa-guard marks noncompliant users. They are well-formed and stay: "
        f"without a device since {SINCE}. Is that so?",
        [],
        [ENROLL, SESSIONS],
    ),
    "a device by one's own key": (
        detail("EnableMFADevice", {"userName": "alice", "serialNumber": "phone"}, userIdentity=long_term_key("alice")),
        state(devices=()),
        WriteResult(),
        settings(),
        "MEDIUM: alice enrolled MFA with a key",
        "alice enrolled the MFA device phone (no longer listed, or not yet; a session made with it may go on for "
        "hours) with the long-term access key AKIAEXAMPLE9. Ask alice whether this was so: whoever holds a leaked "
        "key can enroll a device of his own in this way.",
        [TAGS],
        [
            "If nobody can explain it: remove the device, and deactivate the access key AKIAEXAMPLE9 of user/alice.",
        ],
    ),
    "a device by somebody's key": (
        detail("EnableMFADevice", {"userName": "alice", "serialNumber": "phone"}, userIdentity=long_term_key("bob")),
        state(),
        WriteResult(),
        settings(),
        "HIGH: possible takeover of alice",
        "user/bob enrolled the MFA device phone for alice, with the long-term access key AKIAEXAMPLE9. This is how a "
        "leaked key of an administrator takes over another user.",
        [],
        ["If nobody can explain it: remove the device, and deactivate the access key AKIAEXAMPLE9 of user/bob."],
    ),
    "enforced with a device": (
        detail("CreateAccessKey"),
        state(attached=False),
        WriteResult(route=AttachmentRoute.GROUP, fell_back=True),
        settings(),
        "LOW: alice is now enforced",
        "alice has an MFA device and is now bound by the enforcement policy: a device protects once used.",
        [
            "adds alice to the group mfa-guard-enforced, which carries EnrollMFADeviceThenSignInAgain (the other way "
            "is full: alice has as many as IAM allows)"
        ],
        ["If a machine depends on a key of this user, undo with the paste below and give the machine a role."],
    ),
    "keys would stop": (
        detail("CreateAccessKey"),
        state(attached=False, keys=(key(), key("AKIAEXAMPLE2"))),
        WriteResult(),
        AUDIT,
        "HIGH: keys of alice would stop",
        "In another mode than audit, mfa-guard would enforce MFA for alice. Access keys in use that would stop working "
        "without MFA: AKIAEXAMPLE1, AKIAEXAMPLE2.",
        [ATTACHES.replace("attaches", "attach")],
        ["If a machine depends on a key of this user, undo with the paste below and give the machine a role."],
    ),
    "would be enforced": (
        detail("CreateAccessKey"),
        state(attached=False),
        WriteResult(),
        AUDIT,
        "LOW: alice would be enforced",
        "In another mode than audit, mfa-guard would enforce MFA for alice.",
        [ATTACHES.replace("attaches", "attach")],
        ["If a machine depends on a key of this user, undo with the paste below and give the machine a role."],
    ),
    "exempt, device gone": (
        detail("DeactivateMFADevice"),
        state(**WITHOUT, exemption=exemption()),
        WriteResult(),
        settings(),
        "LOW: exempt user alice has no MFA now",
        "The last MFA device of alice is gone. alice is exempt, so nothing is enforced and nothing is tagged. The "
        "exemption: owner platform team, reason build machine, recorded by role/Admin/bob, until 2026-03-31T12:00:00Z.",
        [],
        [],
    ),
    "released": (
        detail("CreateAccessKey"),
        state(in_group=True, exemption=exemption()),
        WriteResult(released=(AttachmentRoute.DIRECT, AttachmentRoute.GROUP)),
        settings(),
        "LOW: alice is exempt and released",
        "alice is exempt, and was bound by the enforcement policy all the same. The exemption: owner platform team, "
        "reason build machine, recorded by role/Admin/bob, until 2026-03-31T12:00:00Z.",
        [
            "detaches the policy EnrollMFADeviceThenSignInAgain from alice",
            "removes alice from the group mfa-guard-enforced",
        ],
        ["If this is not what you want, end the exemption; the next event about the user enforces."],
    ),
    "to be released, by path": (
        detail("CreateAccessKey"),
        state(path="/machines/ci/"),
        WriteResult(),
        settings(mode=Mode.AUDIT, exempt_path_prefixes=("/machines/",)),
        "LOW: alice is exempt, to be released",
        "alice is exempt, and was bound by the enforcement policy all the same. Users below the path /machines/ are "
        "exempt (ExemptPathPrefixes).",
        ["detach the policy EnrollMFADeviceThenSignInAgain from alice"],
        ["If this is not what you want, end the exemption; the next event about the user enforces."],
    ),
    "an exemption that ended": (
        detail("CreateAccessKey"),
        state(attached=False, exemption=exemption(ends=-timedelta(days=1))),
        WriteResult(route=AttachmentRoute.DIRECT),
        settings(),
        "LOW: alice is now enforced",
        "alice has an MFA device and is now bound by the enforcement policy: a device protects once used. An "
        "exemption of alice, recorded for platform team, ended at 2026-02-28T12:00:00Z.",
        [ATTACHES],
        ["If a machine depends on a key of this user, undo with the paste below and give the machine a role."],
    ),
    "an exemption that does not count": (
        detail("CreateAccessKey"),
        state(attached=False, exemption=MalformedExemption("It lacks an owner.")),
        WriteResult(route=AttachmentRoute.DIRECT),
        settings(),
        "LOW: alice is now enforced",
        "alice has an MFA device and is now bound by the enforcement policy: a device protects once used. An "
        "exemption is recorded and does not count. It lacks an owner.",
        [ATTACHES],
        ["If a machine depends on a key of this user, undo with the paste below and give the machine a role."],
    ),
    "not enforced": (
        detail("CreateUser"),
        state(**WITHOUT),
        WriteResult(problem="it is full."),
        settings(),
        "CRITICAL: alice could not be enforced",
        "alice could not be enforced: it is full. Until that is repaired, alice works without MFA. Usable without MFA "
        "until now: a console password.",
        [TAGS],
        [
            "Remove the cause: make room by fewer policies, groups or tags on alice, or deploy the stack again if its "
            "policy or group is gone. mfa-guard tries again with the next event about the user."
        ],
    ),
    "not enforced, with a device": (
        detail("CreateAccessKey"),
        state(attached=False),
        WriteResult(problem="it is gone.", retry=True),
        settings(),
        "CRITICAL: alice could not be enforced",
        "alice could not be enforced: it is gone. Until that is repaired, alice works without MFA.",
        [],
        [
            "Remove the cause: make room by fewer policies, groups or tags on alice, or deploy the stack again if its "
            "policy or group is gone. mfa-guard tries again with the next event about the user."
        ],
    ),
    "not tagged": (
        detail("CreateUser"),
        state(**WITHOUT),
        WriteResult(route=AttachmentRoute.DIRECT, problem="there are 50.", not_tagged=True),
        settings(),
        "CRITICAL: alice could not be tagged",
        "alice could not be tagged: there are 50.",
        [ATTACHES],
        ["Make room: IAM allows 50 tags on alice. mfa-guard tries again with the next event."],
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_a_notice_says(case: Case) -> None:
    record, user, done, chosen, subject, summary, deeds, steps = case
    message = told(record, user, done, chosen)
    found = data(message)
    assert (message.subject, found["summary"]) == (subject, summary)
    assert (found["done"], found["next"]) == (list(deeds), list(steps))


def test_what_cannot_be_changed_any_more_is_said() -> None:
    message = told(REMOVED, state(unfinished=NoticeKind.ENFORCEMENT_REMOVED))
    assert "  - nothing more: there is nothing left to change" in mail(message)


def test_service_credentials_devices_and_paths_are_shown_when_they_were_asked_for() -> None:
    credentials = (
        ServiceCredential("ACCA1", "codecommit", active=True),
        ServiceCredential("ACCA2", "cassandra", active=False),
    )
    user = state(
        devices=(device("a"), device("b")), attached=False, password=False, service_credentials=credentials, path="/x/"
    )
    lines = mail(told(detail("CreateAccessKey"), user))
    assert "  alice (id AIDAEXAMPLE, path /x/)" in lines
    assert "  MFA devices: a, b" in lines
    assert "  Console password: no" in lines
    assert "  Access keys: none" in lines
    assert "  Service-specific credentials: ACCA1 for codecommit, active; ACCA2 for cassandra, inactive" in lines


def test_commands_that_a_notice_carries() -> None:
    decided = data(told(detail("CreateAccessKey"), MACHINE))["commands"]
    assert decided["exempt"] == exempt_command(
        MACHINE, settings(), NOW, "active machine user, decided on a mfa-guard notice"
    )
    assert list(decided) == ["exempt", "enforce"]
    assert list(data(told(detail("CreateUser"), state(**WITHOUT), WriteResult(problem="full.")))["commands"]) == [
        "enforce"
    ]
    assert data(told(detail("CreateUser"), state(devices=()), WriteResult(problem="full.")))["commands"].keys() == {
        "undo"
    }
    released = told(
        detail("CreateAccessKey"), state(exemption=exemption()), WriteResult(released=(AttachmentRoute.DIRECT,))
    )
    assert list(data(released)["commands"]) == ["take_back"]


def test_pastes_hold_compact_json_that_a_shell_takes_as_it_is() -> None:
    caller = """'"$(aws sts get-caller-identity --query Arn --output text)"'"""
    item = (
        '{"user_id":{"S":"AIDAEXAMPLE"},"user_name":{"S":"alice"},"owner":{"S":"administrators"},'
        '"reason":{"S":"undo of a mfa-guard notice"},"created_by":{"S":"CALLER"},'
        '"expires_at":{"S":"2026-03-31T12:00:00Z"}}'
    )
    assert undo_command(state(), (AttachmentRoute.DIRECT,), settings(), NOW) == (
        "aws dynamodb put-item --region us-east-1 --table-name exemptions --item "
        f"'{item.replace('CALLER', caller)}' && \\\n"
        "aws iam detach-user-policy --user-name alice --policy-arn "
        "arn:aws:iam::111122223333:policy/EnrollMFADeviceThenSignInAgain"
    )
    assert enforce_again_command(state(), settings()).startswith(
        "aws dynamodb delete-item --region us-east-1 --table-name exemptions --key "
        """'{"user_id":{"S":"AIDAEXAMPLE"}}' && \\\naws iam attach-user-policy --user-name alice"""
    )


def test_roots_credentials() -> None:
    record = detail("EnableMFADevice", {"userName": "AWS ROOT USER"}, eventID="1", eventName="EnableMFADevice")
    message = root_message(parse_user_event(record), settings())
    assert message.subject == "CRITICAL: root: EnableMFADevice"
    lines = mail(message)
    assert lines[0] == (
        "EnableMFADevice changed a credential or an MFA device of this account's root user. The root user can do "
        "everything, and no policy in this account binds it. mfa-guard never changes root."
    )
    assert lines[2:] == [
        "WHAT HAPPENED",
        "  EnableMFADevice at 2026-03-01T11:59:30Z",
        f"  by {ACTOR}, in a session with MFA",
        "  from 192.0.2.10",
        '  client, in the caller\'s own words: "aws-cli/2.30"',
        "",
        "WHAT TO DO NEXT",
        "  - If it was not you: sign in as root, remove what was added, change the password, and call AWS Support.",
        "  - Root should have an MFA device and no access keys.",
        "",
        "Account 111122223333. Console: https://console.aws.amazon.com/iam/home#/security_credentials",
        "Event: https://console.aws.amazon.com/cloudtrailv2/home?region=us-east-1#/events/1",
        "Help: https://wiki.example.com/mfa",
        "",
    ]
    assert data(message)["subject"] == {"kind": "root", "name": None}


def alerted(name: str, request: Mapping[str, object], source: str, **more: object) -> Message:
    return alert_message(parse_alert(detail(name, request, eventSource=source, **more)), settings())


@pytest.mark.parametrize(
    ("used", "said"),
    [(["Yes"], ""), ("Yes", " An MFA device was used."), ("No", " No MFA device was used."), ("maybe", ""), (None, "")],
)
def test_roots_sign_in(used: object, said: str) -> None:
    extra = {"additionalEventData": {"MFAUsed": used}} if used else {}
    message = alerted("ConsoleLogin", {}, "signin.amazonaws.com", **extra)
    found = data(message)
    assert message.subject == "CRITICAL: root signed in to the console"
    assert found["summary"] == (
        f"Somebody signed in to the console as this account's root user.{said} The root user can do everything, and no "
        "policy in this account applies to it."
    )
    assert found["subject"] == {"kind": "root user", "name": None}
    assert found["next"] == [
        "If you did not sign in, change root's password, check its MFA devices and access keys, and call AWS Support."
    ]
    assert "WHAT MFA-GUARD DOES" not in mail(message)
    assert (found["commands"], found["console"]) == ({}, "https://console.aws.amazon.com/console/home")


def test_tampering_and_changes_of_the_stack() -> None:
    message = alerted("DisableRule", {"name": "mfa-guard-drift"}, "events.amazonaws.com")
    found = data(message)
    assert message.subject == "CRITICAL: mfa-guard's rule: DisableRule"
    assert found["summary"] == (
        'DisableRule was called on the rule "mfa-guard-drift". Events may no longer reach the guard, so it may '
        "miss new users and removed devices."
    )
    assert found["subject"] == {"kind": "rule", "name": "mfa-guard-drift"}
    assert list(found["commands"]) == ["enable_rule"]
    assert "mfa-guard-drift" in found["commands"]["enable_rule"]
    message = alerted("DeleteStack", {"stackName": "mfa-guard"}, "cloudformation.amazonaws.com")
    assert message.subject == "MEDIUM: mfa-guard's stack: DeleteStack"
    assert data(message)["summary"] == (
        'DeleteStack was called on mfa-guard\'s own stack "mfa-guard". This changes the guard itself.'
    )
    message = alerted("DeleteAlarms", {"alarmNames": ["a", 1, "b"]}, "monitoring.amazonaws.com")
    assert data(message)["subject"] == {"kind": "alarm", "name": "a, b"}


def test_long_words_of_strangers_are_cut_where_they_say() -> None:
    message = alerted("D" * 200, {"name": "r" * 500}, "events.amazonaws.com", userAgent="u" * 500)
    found = data(message)
    assert found["subject"]["name"] == "r" * 297 + "..."
    assert found["summary"].startswith(f"{'D' * 77}... ")
    assert f'  client, in the caller\'s own words: "{"u" * 297}..."' in mail(message)
    assert f'{"D" * 77}... was called on the rule "{"r" * 297}...".' in found["summary"]
    assert found["actor"]["user_agent"] == "u" * 297 + "..."
    root = root_message(parse_user_event(detail("CreateAccessKey", {"userName": "AWS ROOT USER"})), settings())
    assert root.subject == "CRITICAL: root: CreateAccessKey"


EXEMPTED = {
    "user_id": "AIDA1",
    "user_name": "alice",
    "owner": "platform team",
    "reason": "build machine",
    "created_by": "bob",
    "expires_at": "2026-04-01T00:00:00Z",
}


def exempted(name: str, item: Mapping[str, str] | None, old: Mapping[str, str] | None = None) -> Message:
    return exemption_message(parse_exemption_change(stream_record(name, item, old=old), NOW), settings(), NOW)


def test_an_exemption_that_is_recorded() -> None:
    message = exempted("INSERT", EXEMPTED)
    assert message.subject == "MEDIUM: exemption of alice added"
    assert mail(message) == [
        "alice is exempt until 2026-04-01T00:00:00Z: owner platform team, reason build machine, recorded by bob. The "
        "next event about alice, or in Mode all the next sweep, releases.",
        "",
        "WHAT HAPPENED",
        "  exemption added at 2026-03-01T11:59:30Z",
        "",
        "WHAT TO DO NEXT",
        "  - If nobody planned this, see who may write to the table, and set the record back (point-in-time recovery).",
        "",
        "Account 111122223333. Console: https://console.aws.amazon.com/iam/home#/users/details/alice",
        "Help: https://wiki.example.com/mfa",
        "",
    ]
    assert data(message)["subject"] == {"kind": "user", "name": "alice", "id": "AIDA1"}
    assert data(message)["event"]["link"] is None


@pytest.mark.parametrize(
    ("name", "item", "old", "subject", "summary"),
    [
        (
            "REMOVE",
            None,
            EXEMPTED,
            "LOW: exemption of alice removed",
            "alice is no longer exempt. The next event about alice, or in Mode all the next sweep, enforces.",
        ),
        (
            "MODIFY",
            {**EXEMPTED, "expires_at": "2026-01-01T00:00:00Z"},
            None,
            "MEDIUM: exemption of alice changed",
            "The exemption of alice has ended at 2026-01-01T00:00:00Z, and alice is not exempt.",
        ),
        (
            "INSERT",
            {"user_id": "AIDA1"},
            None,
            "MEDIUM: exemption of AIDA1 added",
            "A record in the exemption table does not count, and AIDA1 is not exempt. The exemption record lacks "
            "user_name, owner, reason, created_by, expires_at.",
        ),
        (
            "INSERT",
            {**EXEMPTED, "expires_at": "soon"},
            None,
            "MEDIUM: exemption of alice added",
            "A record in the exemption table does not count, and alice is not exempt. The exemption record's "
            "expires_at is not a UTC time like 2027-01-31T00:00:00Z.",
        ),
        (
            "INSERT",
            {**EXEMPTED, "expires_at": "2028-04-01T00:00:00Z"},
            None,
            "MEDIUM: exemption of alice added",
            "A record in the exemption table does not count, and alice is not exempt. The exemption record's "
            "expires_at is more than 365 days ahead.",
        ),
    ],
)
def test_other_changes_of_the_exemption_table(
    name: str, item: Mapping[str, str] | None, old: Mapping[str, str] | None, subject: str, summary: str
) -> None:
    message = exempted(name, item, old)
    assert (message.subject, data(message)["summary"]) == (subject, summary)


def test_what_a_stranger_wrote_beyond_ascii_stays_as_it_is() -> None:
    message = exempted("INSERT", {**EXEMPTED, "owner": "M\u00fcller"})
    assert "owner M\u00fcller" in message.body
    assert "owner M\u00fcller" in json.loads(message.body)["default"]


def test_names_and_ids_of_strangers_are_cut_where_they_say() -> None:
    message = exempted("INSERT", {**EXEMPTED, "user_id": "A" * 200, "user_name": "n" * 100})
    assert data(message)["subject"] == {"kind": "user", "name": "n" * 61 + "...", "id": "A" * 125 + "..."}
    slashed = exempted("INSERT", {**EXEMPTED, "user_name": "a/b"})
    assert data(slashed)["console"].endswith("/details/a%2Fb")


def test_of_a_session_that_the_record_does_not_tell_nothing_is_said() -> None:
    message = told(detail("CreateUser", userIdentity=long_term_key("bob")), state(**WITHOUT))
    assert "  by user/bob" in mail(message)


def test_a_path_is_cut_at_what_iam_allows() -> None:
    lines = mail(told(detail("CreateUser"), state(**WITHOUT, path="/" + "x" * 600)))
    assert f"  alice (id AIDAEXAMPLE, path /{'x' * 508}...)" in lines


def test_keys_that_stop_are_named_in_what_an_earlier_attempt_began_to_tell() -> None:
    message = told(detail("EnableMFADevice"), state(keys=(key(),), unfinished=NoticeKind.ENFORCED))
    assert message.subject == "HIGH: alice enforced, keys in use stop"
    assert "Access keys in use that stop working without MFA: AKIAEXAMPLE1." in mail(message)


def test_keys_of_somebody_who_was_bound_already_do_not_stop_now() -> None:
    message = told(detail("CreateAccessKey"), state(devices=(), tags=MARKED, keys=(key(),)))
    assert "stop working" not in message.body
