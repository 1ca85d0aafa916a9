"""What each notice means: kind, severity, facts, changes and commands. The golden file has the words."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product

import jsonschema
import pytest

from mfa_guard.core.alerts import parse_alert
from mfa_guard.core.attachments import WriteResult
from mfa_guard.core.cloudtrail import Trigger, parse_user_event
from mfa_guard.core.mail.alert_notices import alert_message, root_message
from mfa_guard.core.mail.layout import COMMAND_HEADINGS
from mfa_guard.core.mail.notice_context import NoticeContext
from mfa_guard.core.mail.notices import user_message
from mfa_guard.core.mail.shell_commands import cli_command
from mfa_guard.core.notice_kinds import NoticeKind, Severity
from mfa_guard.core.plan import Action, DueNotice, EventPlan
from mfa_guard.core.settings import Mode
from mfa_guard.core.user_record import Standing
from support.factories import GROUP, MARKED, NOW, POLICY, detail, settings, state
from support.mails import (
    EXEMPTION_ITEM,
    NOTICES,
    PHONE,
    USER_CASES,
    UserCase,
    alerted,
    exemption_changed,
    root_signed_in,
)
from support.messages import NOTICE_SCHEMA, data, mail

SINCE = MARKED["mfa-guard:since"]
ACTOR = "role/Admin/bob@example.com"
EXEMPTION_FACTS = ("platform team", "build machine", "role/Admin/bob", "2026-03-31T12:00:00Z")


@dataclass(frozen=True)
class Meaning:
    """What a notice has to come to. `facts` are in its first sentences; `changes` are as `change` names them."""

    severity: Severity
    facts: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()


def change(sentence: str) -> str:
    """Return what a sentence of mfa-guard's changes says was done, is still to be done, or would be done."""
    said = re.match(r"mfa-guard ((?:will |would )?\w+) ", sentence)
    assert said, sentence
    assert "alice" in sentence
    touched = "group" if GROUP in sentence else "policy" if POLICY.rpartition("/")[2] in sentence else "tags"
    return f"{said[1]}: {touched}"


LOW, MEDIUM, HIGH, CRITICAL = Severity.LOW, Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL
ATTACHED, ADDED, TAG, UNTAG = "attached: policy", "added: group", "will tag: tags", "will remove: tags"

MEANINGS: Mapping[str, Meaning] = {
    "noncompliant: a new user with a password and a key in use": Meaning(
        HIGH, ("until now", "console password", "AKIAEXAMPLE1", "stop working"), (ATTACHED, TAG), ("undo",)
    ),
    "noncompliant: a user with as many policies as IAM allows": Meaning(
        HIGH, ("until now", "console password"), (ADDED, TAG), ("undo",)
    ),
    "noncompliant: a user in as many groups as IAM allows": Meaning(
        HIGH, ("until now", "console password"), (ATTACHED, TAG), ("undo",)
    ),
    "noncompliant: an enforced user lost the last device": Meaning(
        HIGH, ("console password", "AKIAEXAMPLE1"), (TAG,), ("undo",)
    ),
    "noncompliant: a new user with an access key only": Meaning(HIGH, ("AKIAEXAMPLE1",), (ATTACHED, TAG), ("undo",)),
    "noncompliant: a new user without any credential": Meaning(
        MEDIUM, ("no console password", "no active access key"), (ATTACHED, TAG), ("undo",)
    ),
    "noncompliant: not enforced, because EnforceOn covers console users": Meaning(MEDIUM, ("EnforceOn",), (TAG,)),
    "noncompliant: Mode audit": Meaning(
        HIGH,
        ("console password", "AKIAEXAMPLE1", "would deny", "would stop working"),
        ("would attach: policy", "would tag: tags"),
    ),
    "new-credential: an access key": Meaning(
        HIGH,
        ("user/mallory (access key AKIAEXAMPLE9)", "the access key AKIAEXAMPLE1 for alice", SINCE, "console password"),
        (),
        ("undo",),
    ),
    "new-credential: an access key that IAM does not list": Meaning(
        HIGH,
        (ACTOR, SINCE, "the access key AKIAEXAMPLE2 for alice", "AKIAEXAMPLE2, which IAM does not list"),
        (),
        ("undo",),
    ),
    "new-credential: an SSH public key": Meaning(HIGH, (ACTOR, "the SSH public key APKAEXAMPLE"), (), ("undo",)),
    "new-credential: the password was reset": Meaning(HIGH, (f"{ACTOR} reset the console password",), (), ("undo",)),
    "solved": Meaning(LOW, ("no longer noncompliant",), (UNTAG,)),
    "solved: an active machine user": Meaning(LOW, ("active machine user", "decide"), (UNTAG,)),
    "solved: Mode audit, few facts loaded, no help URL": Meaning(
        LOW, ("no longer noncompliant",), ("would remove: tags",)
    ),
    "decision: a machine with an access key in use": Meaning(
        HIGH, ("AKIAEXAMPLE2", "active machine user", "works without MFA"), (TAG,), ("exempt", "enforce")
    ),
    "decision: the policy was detached": Meaning(
        HIGH, ("user/mallory (access key AKIAEXAMPLE9) detached",), (TAG,), ("exempt", "enforce")
    ),
    "decision: the password was deleted": Meaning(
        HIGH, (f"{ACTOR} deleted the console password",), (TAG,), ("exempt", "enforce")
    ),
    "decision: a machine with a service-specific credential": Meaning(
        HIGH, ("active machine user", "works without MFA"), (TAG,), ("exempt", "enforce")
    ),
    "enforcement-removed: restored": Meaning(HIGH, (f"{ACTOR} detached", "again"), (ATTACHED,), ("undo",)),
    "enforcement-removed: from the group, by an access key": Meaning(
        HIGH, ("user/mallory (access key AKIAEXAMPLE9) removed", "group", "again"), (ATTACHED,), ("undo",)
    ),
    "enforcement-removed: not restored, because EnforceOn covers console users": Meaning(
        HIGH, (f"{ACTOR} detached", "not restore", "EnforceOn")
    ),
    "enforcement-removed: Mode audit": Meaning(
        HIGH, (f"{ACTOR} detached", "not restore", "audit"), ("would attach: policy",)
    ),
    "tags-changed: removed from a user without a device": Meaning(
        MEDIUM, (ACTOR, "will start again"), (TAG,), ("undo",)
    ),
    "tags-changed: set on a user with a device": Meaning(MEDIUM, (ACTOR, "will remove"), (UNTAG,), ("undo",)),
    "tags-changed: another date": Meaning(MEDIUM, (ACTOR, "keeps", SINCE), (), ("undo",)),
    "tags-changed: Mode audit": Meaning(MEDIUM, (ACTOR, "would start again"), ("would tag: tags",)),
    "device-enrolled: the first device, by the user's own key": Meaning(
        MEDIUM, (PHONE, "AKIAEXAMPLE9", "192.0.2.10", "aws-cli/2.30", "nothing is wrong"), (UNTAG,), ("remove_device",)
    ),
    "device-enrolled: the user's own key, and the device is gone": Meaning(
        MEDIUM, (PHONE, "AKIAEXAMPLE9", "does not list"), (TAG,)
    ),
    "device-enrolled: another device, without MFA": Meaning(
        HIGH, (PHONE, "session without MFA", "another device", "mfa/tablet"), (), ("remove_device",)
    ),
    "device-enrolled: another device, by the user's own key": Meaning(
        HIGH, (PHONE, "AKIAEXAMPLE9", "another device", "mfa/tablet"), (), ("remove_device",)
    ),
    "device-enrolled: by a role session": Meaning(HIGH, (ACTOR, PHONE), (), ("remove_device",)),
    "device-enrolled: by another user's key": Meaning(
        HIGH, ("user/mallory (access key AKIAEXAMPLE9)", PHONE), (), ("remove_device",)
    ),
    "device-removed": Meaning(LOW, (f"{ACTOR} removed", PHONE, "still has")),
    "device-removed: the record does not name the device": Meaning(LOW, (f"{ACTOR} removed an MFA device",)),
    "signed-in-without-mfa": Meaning(
        HIGH, ("2026-03-01T11:59:30Z", "192.0.2.10", "aws-cli/2.30", "enforces MFA"), (ATTACHED, TAG), ("undo",)
    ),
    "signed-in-without-mfa: Mode audit": Meaning(HIGH, ("would enforce",), ("would attach: policy", "would tag: tags")),
    "enrollment-blocked": Meaning(HIGH, (ACTOR, "boundary developers keeps alice", "denies")),
    "enrollment-blocked: Mode audit": Meaning(
        HIGH, (ACTOR, "boundary developers keeps alice", "would deny"), ("would attach: policy", "would tag: tags")
    ),
    "enforced: the user was renamed": Meaning(LOW, ("mallory before",), (ATTACHED,), ("undo",)),
    "enforced: no key in use": Meaning(LOW, ("now applies",), (ADDED,), ("undo",)),
    "enforced: keys in use stop": Meaning(
        HIGH, ("now applies", "stop working", "AKIAEXAMPLE1, AKIAEXAMPLE2"), (ATTACHED,), ("undo",)
    ),
    "enforced: the exemption expired": Meaning(
        LOW, ("platform team", "expired at 2026-02-28T12:00:00Z"), (ATTACHED,), ("undo",)
    ),
    "enforced: the exemption record is not valid": Meaning(
        LOW, ("not valid", "The exemption record lacks owner."), (ATTACHED,), ("undo",)
    ),
    "enforced: Mode audit, no key in use": Meaning(LOW, ("would enforce",), ("would attach: policy",)),
    "enforced: Mode audit, keys in use would stop": Meaning(
        HIGH, ("would enforce", "would stop working", "AKIAEXAMPLE1, AKIAEXAMPLE2"), ("would attach: policy",)
    ),
    "exempt-without-device": Meaning(LOW, ("is exempt", *EXEMPTION_FACTS)),
    "released: the policy and the group": Meaning(
        LOW, ("applied", *EXEMPTION_FACTS), ("detached: policy", "removed: group", UNTAG), ("enforce_again",)
    ),
    "released: exempt by path": Meaning(LOW, ("/machines/", "ExemptPathPrefixes"), ("detached: policy",)),
    "released: Mode audit": Meaning(
        LOW, ("applies", *EXEMPTION_FACTS), ("would detach: policy", "would remove: group")
    ),
    "not-enforced: quotas": Meaning(
        CRITICAL,
        ("PoliciesPerUser", "GroupsPerUser", "without MFA: a console password"),
        (TAG,),
        ("enforce",),
    ),
    "not-enforced: the policy is missing": Meaning(CRITICAL, ("does not exist", "without MFA"), (), ("enforce",)),
    "not-tagged": Meaning(CRITICAL, ("TagsPerUser",), (ATTACHED,), ("undo",)),
    "renamed-user-not-found": Meaning(
        LOW, ("user/mallory renamed the user alice to bob", "neither name", "changed nothing")
    ),
    "root-credentials": Meaning(CRITICAL, ("CreateAccessKey", "root user")),
    "root-credentials: an MFA device is enabled": Meaning(LOW, ("MFA device was enabled", "root-account-mfa-device")),
    "tampering: a rule is enabled again": Meaning(MEDIUM, ("EnableRule", "enabled again")),
    "tampering: a rule, through another CloudFormation stack": Meaning(CRITICAL, ("DeleteRule", "another stack")),
    "tampering: the mapping of the exemption table": Meaning(CRITICAL, ("14e0db71", "exemption table")),
    "tampering: through Cloud Control": Meaning(CRITICAL, ("UpdateResource", "mfa-guard-heartbeat")),
    "tampering: a trail that feeds mfa-guard stops": Meaning(
        CRITICAL, ('"main" in us-east-1', "receives IAM's events through this trail"), commands=("start_logging",)
    ),
    "tampering: the selectors of a trail that mfa-guard does not need": Meaning(
        MEDIUM, ('"audit"', "management events (ReadOnly) without kms.amazonaws.com")
    ),
    "unassigned-devices": Meaning(HIGH, ("belong to no user", "quota"), commands=("list_unassigned_devices",)),
    "root-sign-in: with MFA": Meaning(CRITICAL, ("root user", "An MFA device was used")),
    "root-sign-in: without MFA": Meaning(CRITICAL, ("root user", "No MFA device was used")),
    "root-sign-in: CloudTrail does not say whether MFA was used": Meaning(CRITICAL, ("root user",)),
    "tampering: a rule is disabled": Meaning(
        CRITICAL, (ACTOR, "DisableRule", '"mfa-guard-mfa-devices"'), (), ("enable_rule",)
    ),
    "tampering: the enforcement policy": Meaning(CRITICAL, ("user/mallory", "CreatePolicyVersion", f'"{POLICY}"')),
    "stack-change": Meaning(MEDIUM, (ACTOR, "UpdateStack", '"mfa-guard"')),
    "exemption: added": Meaning(
        MEDIUM, ("is exempt until 2026-04-01T00:00:00Z", "platform team", "build machine", "role/Admin/bob", "releases")
    ),
    "exemption: removed": Meaning(LOW, ("no longer exempt",)),
    "exemption: expired": Meaning(MEDIUM, ("expired at 2026-01-01T00:00:00Z", "not exempt")),
    "exemption: not valid": Meaning(MEDIUM, ("not valid", "not exempt", "The exemption record lacks owner.")),
}


def test_every_case_of_the_golden_file_has_a_meaning() -> None:
    assert MEANINGS.keys() == NOTICES.keys()


@pytest.mark.parametrize("title", MEANINGS)
class TestEveryNotice:
    def test_severity_and_facts(self, title: str) -> None:
        found = data(NOTICES[title]())
        assert found["severity"] == MEANINGS[title].severity
        assert [fact for fact in MEANINGS[title].facts if fact not in found["summary"]] == []

    def test_what_was_done_what_follows_and_what_can_be_done(self, title: str) -> None:
        found = data(NOTICES[title]())
        assert tuple(map(change, found["changes"])) == MEANINGS[title].changes
        assert tuple(found["commands"]) == MEANINGS[title].commands

    def test_only_keys_that_stop_are_said_to_stop(self, title: str) -> None:
        said = any("stop working" in fact for fact in MEANINGS[title].facts)
        assert ("stop working" in data(NOTICES[title]())["summary"]) == said

    def test_subscribers_can_filter_by_kind_severity_and_account(self, title: str) -> None:
        found = data(NOTICES[title]())
        attributes = {"kind": title.partition(":")[0], "severity": found["severity"], "account": "111122223333"}
        assert NOTICES[title]().attributes == attributes
        assert {name: found[name] for name in attributes} == attributes

    def test_the_json_keeps_the_schema(self, title: str) -> None:
        jsonschema.validate(data(NOTICES[title]()), NOTICE_SCHEMA)

    def test_the_subject_line_has_the_severity_and_the_subject(self, title: str) -> None:
        line = NOTICES[title]().subject
        assert line.startswith(f"{MEANINGS[title].severity.upper()}: ")
        assert any(word in line for word in ("alice", "root", "mfa-guard", "the trail", "virtual MFA devices"))
        assert len(line) <= 100

    def test_the_mail_and_the_json_say_the_same(self, title: str) -> None:
        text, found = mail(NOTICES[title]()), data(NOTICES[title]())
        assert text.partition("\n\n")[0].replace("\n", " ") == found["summary"]
        assert [each for each in (*found["changes"], *found["next"]) if f"  - {each}\n" not in text] == []
        for key, command in found["commands"].items():
            either = f", or: {found['cli_commands'][key]}" if key in found["cli_commands"] else ""
            assert f"\n\n{COMMAND_HEADINGS[key]}{either}\n{command}\n\n" in text

    def test_the_mail_names_who_where_and_when(self, title: str) -> None:
        text, found = mail(NOTICES[title]()), data(NOTICES[title]())
        assert "2026-03-01T11:59:30Z" in text
        assert found["console"] in text
        if found["kind"] == "exemption":
            assert found["event"]["link"] is None
        else:
            assert f"by {found['actor']['label']}" in text
            assert "from 192.0.2.10" in text
            assert f"Event: {found['event']['link']}\n" in text


@pytest.mark.parametrize("case", USER_CASES.values(), ids=USER_CASES)
class TestAuditMode:
    def test_a_notice_never_claims_that_mfa_guard_acted(self, case: UserCase) -> None:
        found = data(case.in_audit_mode().message())
        assert all(change(each).startswith("would ") for each in found["changes"])
        assert found["commands"].keys() <= {"exempt", "enforce", "remove_device"}

    def test_the_mail_says_that_nothing_is_changed(self, case: UserCase) -> None:
        text = mail(case.in_audit_mode().message())
        assert "(Mode: audit, nothing is changed)" in text
        assert "CHANGES BY MFA-GUARD" not in text


def test_the_longest_user_name_fits_the_subject_line_of_every_kind() -> None:
    name = "x" * 64
    longest = state(name=name, devices=(), attached=False)
    failed = {NoticeKind.NOT_ENFORCED, NoticeKind.NOT_TAGGED}
    about_users = {NoticeKind(title.partition(":")[0]) for title in USER_CASES}
    for kind, mode in product(about_users, Mode):
        plan, result = EventPlan(Standing.ENFORCED, (), None), WriteResult(problem="no.")
        context = NoticeContext(parse_user_event(detail("CreateUser")), longest, plan, result, settings(mode=mode), NOW)
        severity = Severity.CRITICAL if kind in failed else Severity.MEDIUM
        line = user_message(DueNotice(kind, severity), context).subject
        assert name in line
        assert not line.endswith("..."), line


@pytest.mark.parametrize("title", USER_CASES)
def test_the_longest_user_name_fits_every_subject_line(title: str) -> None:
    case = USER_CASES[title]
    for shown in (case, case.in_audit_mode()):
        line = replace(shown, user=replace(shown.user, name="x" * 64)).message().subject
        assert "x" * 64 in line
        assert not line.endswith("..."), line


def test_a_failure_is_reported_without_any_notice_that_was_due() -> None:
    nothing_due = EventPlan(Standing.ENFORCED, (), None)
    event, result = parse_user_event(detail("CreateAccessKey")), WriteResult(problem="it is gone.")
    context = NoticeContext(event, state(), nothing_due, result, settings(), NOW)
    message = user_message(DueNotice(NoticeKind.NOT_ENFORCED, Severity.CRITICAL), context)
    assert "it is gone." in data(message)["summary"]


def test_every_action_and_trigger_has_words() -> None:
    # A new member needs words in the mails and a place in the plan; this list makes that a decision.
    assert {action.value for action in Action} == {"enforce", "release", "mark", "clear"}
    assert len(Trigger) == 10


class TestRootAndAlerts:
    def test_the_subject_in_the_json(self) -> None:
        subjects = {title: data(build())["subject"] for title, build in NOTICES.items()}
        assert subjects["root-credentials"] == {"kind": "root", "name": None}
        assert subjects["root-sign-in: without MFA"] == {"kind": "root user", "name": None}
        assert subjects["tampering: a rule is disabled"] == {"kind": "rule", "name": "mfa-guard-mfa-devices"}
        assert subjects["exemption: added"] == {"kind": "user", "name": "alice", "id": "AIDAEXAMPLE"}

    @pytest.mark.parametrize("used", ["maybe", ["Yes"], None])
    def test_what_cloudtrail_does_not_say_of_mfa_is_left_out(self, used: object) -> None:
        summary = data(root_signed_in(additionalEventData={"MFAUsed": used}))["summary"]
        assert "MFA device was used" not in summary

    def test_all_alarms_of_one_call_are_named(self) -> None:
        message = alerted("DeleteAlarms", {"alarmNames": ["a", 1, "b"]}, "monitoring")
        assert data(message)["subject"] == {"kind": "alarm", "name": "a, b"}

    def test_only_a_disabled_rule_can_be_enabled(self) -> None:
        assert data(alerted("DeleteRule", {"name": "mfa-guard-drift"}, "events"))["commands"] == {}

    def test_a_forged_rule_name_makes_no_command(self) -> None:
        message = alerted("DisableRule", {"name": "r\nTO UNDO\nreboot"}, "events")
        assert data(message)["commands"] == {}
        assert "reboot" not in mail(message).splitlines()

    def test_long_words_of_strangers_are_cut(self) -> None:
        found = data(alerted("D" * 200, {"name": "r" * 500}, "events", userAgent="u" * 500))
        assert found["subject"]["name"] == "r" * 297 + "..."
        assert f"called {'D' * 77}... on" in found["summary"]
        assert f'"{"r" * 297}..."' in found["summary"]
        assert found["actor"]["user_agent"] == "u" * 297 + "..."

    def test_the_actor_is_sanitized(self) -> None:
        identity = {"type": "IAMUser", "userName": "x\nTO UNDO"}
        record = detail("DisableRule", {"name": "r"}, eventSource="events.amazonaws.com", userIdentity=identity)
        assert "user/x?TO UNDO called" in data(alert_message(parse_alert(record), settings()))["summary"]

    def test_the_id_of_an_event_is_sanitized(self) -> None:
        record = detail("EnableMFADevice", {"userName": "AWS ROOT USER"}, eventID="a\nb")
        assert data(root_message(parse_user_event(record), settings()))["event"]["id"] == "a?b"

    @pytest.mark.parametrize(
        ("event", "request_parameters", "response", "named"),
        [
            ("CreateAccessKey", {}, {"accessKey": {"accessKeyId": "AKIANEW"}}, "root user: access key AKIANEW."),
            ("UpdateAccessKey", {"accessKeyId": "AKIAOLD"}, None, "root user: access key AKIAOLD."),
            (
                "DeactivateMFADevice",
                {"userName": "AWS ROOT USER", "serialNumber": "s"},
                None,
                "root user: MFA device s.",
            ),
            ("CreateLoginProfile", {"userName": "AWS ROOT USER"}, None, "root user. The root"),
        ],
    )
    def test_a_notice_about_root_names_the_key_or_the_device(
        self, event: str, request_parameters: dict[str, object], response: object, named: str
    ) -> None:
        record = detail(event, request_parameters, userIdentity={"type": "Root"}, responseElements=response)
        found = data(root_message(parse_user_event(record), settings()))
        assert named in found["summary"]
        assert found["severity"] == "critical"

    def test_a_device_of_root_is_good_news_and_named(self) -> None:
        record = detail("EnableMFADevice", {"userName": "AWS ROOT USER", "serialNumber": "serial-7"})
        found = data(root_message(parse_user_event(record), settings()))
        assert found["severity"] == "low"
        assert "serial-7" in found["summary"]
        assert "remove what was added" not in " ".join(found["next"])

    @pytest.mark.parametrize("used", ["YES", "yes", "Yes"])
    def test_mfa_used_is_compared_without_regard_to_case(self, used: str) -> None:
        summary = data(root_signed_in(additionalEventData={"MFAUsed": used}))["summary"]
        assert "An MFA device was used." in summary

    @pytest.mark.parametrize(
        ("name", "region"),
        [
            ("-name", "us-east-1"),
            ("x", "us-east-1"),
            ("main", "us-east-1;reboot"),
            ("main\n", "us-east-1"),
            ("main", ""),
        ],
    )
    def test_only_a_trail_that_can_exist_makes_a_command(self, name: str, region: str) -> None:
        message = alerted("StopLogging", {"name": name}, "cloudtrail", awsRegion=region)
        assert data(message)["commands"] == {}

    def test_a_trail_is_not_called_the_guards(self) -> None:
        found = data(alerted("DeleteTrail", {"name": "audit"}, "cloudtrail"))
        assert 'called DeleteTrail on the trail "audit" in us-east-1.' in found["summary"]


class TestExemptionChanges:
    def test_a_record_without_a_user_name_is_named_by_the_user_id(self) -> None:
        message = exemption_changed("INSERT", {"user_id": "AIDA1"})
        assert "AIDA1" in message.subject
        assert "AIDA1 is not exempt" in data(message)["summary"]

    @pytest.mark.parametrize(
        ("expires_at", "problem"),
        [
            ("soon", "expires_at is not a UTC time like 2027-01-31T00:00:00Z."),
            ("2028-04-01T00:00:00Z", "expires_at is more than 365 days ahead."),
        ],
    )
    def test_the_problem_of_a_record_that_is_not_valid_is_named(self, expires_at: str, problem: str) -> None:
        assert problem in data(exemption_changed("INSERT", {**EXEMPTION_ITEM, "expires_at": expires_at}))["summary"]

    def test_text_beyond_ascii_stays_as_it_is(self) -> None:
        message = exemption_changed("INSERT", {**EXEMPTION_ITEM, "owner": "M\u00fcller"})
        assert "owner M\u00fcller" in message.body
        assert "owner M\u00fcller" in data(message)["summary"]

    def test_names_and_ids_of_strangers_are_cut(self) -> None:
        message = exemption_changed("INSERT", {**EXEMPTION_ITEM, "user_id": "A" * 200, "user_name": "n" * 100})
        assert data(message)["subject"] == {"kind": "user", "name": "n" * 61 + "...", "id": "A" * 125 + "..."}

    def test_a_name_is_escaped_in_the_link(self) -> None:
        found = data(exemption_changed("INSERT", {**EXEMPTION_ITEM, "user_name": "a/b"}))
        assert found["console"].endswith("/details/a%2Fb")


def test_the_mfa_guard_command_stands_beside_the_command_that_it_replaces() -> None:
    found = data(NOTICES["decision: a machine with an access key in use"]())
    assert found["cli_commands"] == {key: cli_command(key, "alice", settings()) for key in ("exempt", "enforce")}
    assert data(NOTICES["tampering: a rule is disabled"]())["cli_commands"] == {}
