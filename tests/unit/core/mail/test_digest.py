"""The sweep's mail, whole and cut."""

import json
from dataclasses import replace
from datetime import timedelta

import jsonschema
import pytest

from mfa_guard.core.account.assessment import Assessment, count
from mfa_guard.core.account.key_deactivation import DeactivationStep, KeyDeactivation
from mfa_guard.core.attachments import AttachmentRoute
from mfa_guard.core.exemption import MalformedExemption
from mfa_guard.core.health.checks import Check, Verdict
from mfa_guard.core.mail.digest import Change, Digest, Failure, digest_message, pending, problem_names
from mfa_guard.core.mail.layout import LARGEST, Message
from mfa_guard.core.plan import Action, Standing, UserPlan
from mfa_guard.core.settings import Mode
from mfa_guard.core.user import NOT_LOADED
from support.factories import MARKED, NOW, ROOT_OF_THE_PROJECT, exemption, key, settings, state

SCHEMA = json.loads((ROOT_OF_THE_PROJECT / "docs" / "digest.schema.json").read_text("utf-8"))


def assessment(name: str, standing: Standing, *actions: Action, certain: bool = True, **changes: object) -> Assessment:
    return Assessment(state(name=name, id=f"AIDA{name.upper()}", **changes), UserPlan(standing, actions), certain)


ANN = assessment("ann", Standing.ENFORCED)
BOB = assessment("bob", Standing.ENFORCED, devices=(), tags=MARKED)
CARL = assessment(
    "carl", Standing.ENFORCED, Action.ENFORCE, Action.MARK, devices=(), attached=False, keys=(key("key 1"),)
)
IDLE = assessment(
    "idle",
    Standing.ENFORCED,
    Action.ENFORCE,
    Action.MARK,
    certain=False,
    devices=(),
    attached=False,
    password=False,
)
CI = assessment(
    "ci", Standing.ACTIVE_MACHINE, devices=(), attached=False, password=False, keys=(key("key 1"),), tags=MARKED
)
GIT = assessment(
    "git", Standing.ACTIVE_MACHINE, devices=(), attached=False, password=False, keys=NOT_LOADED, tags=MARKED
)
EVE = assessment("eve", Standing.EXEMPT, devices=(), attached=False)
FINE = Check("trail", Verdict.FINE, "The trail main logs IAM's write events.", "")
BAD = Check("dead-letter queue", Verdict.PROBLEM, "2 events wait.", "Read them, then redrive.")
ADVICE = Check("termination protection", Verdict.PROBLEM, "It is off.", "Switch it on.", advisory=True)
UNSURE = Check("trail", Verdict.CANNOT_VERIFY, "The trail is another account's.", "Ask its owner.")


def digest(*assessments: Assessment, writes: bool = True, **changes: object) -> Digest:
    return Digest(
        **{
            "counts": count(assessments),
            "changes": (),
            "failures": (),
            "carried": (),
            "assessments": assessments,
            "exemptions": {},
            "checks": (FINE,),
            "writes": writes,
            "late": None,
            "left": 0,
            **changes,
        }  # type: ignore[arg-type]
    )


def mail(message: Message) -> str:
    text = json.loads(message.body)["email"]
    assert isinstance(text, str)
    return text


GOLDEN = """\
Account 111122223333 at 2026-03-01T12:00:00Z, Mode: events.
6 users: 1 compliant, 4 without MFA device, 1 exempt; 2 enforced; 1 machine users await a decision.
This sweep changed nothing in IAM.
IAM did not finish the credential report.

HEALTH OF THE GUARD
  - problem: dead-letter queue. 2 events wait. Read them, then redrive.
  - advice: termination protection. It is off. Switch it on.
  - fine: trail. The trail main logs IAM's write events.

ACTIVE MACHINE USERS AWAITING A DECISION
  - ci: key 1, last used 2026-02-28T12:00:00Z
  To exempt: the stack's output HowToExempt, or mfa-guard exempt add NAME --owner OWNER --reason REASON. To enforce: \
aws iam attach-user-policy --policy-arn arn:aws:iam::111122223333:policy/EnrollMFADeviceThenSignInAgain --user-name \
NAME, or mfa-guard enforce NAME

WHAT ENFORCING WOULD DO (Mode: all enforces with sweeps; an event about the user does at once)
  - carl (a person): would be enforced, would be tagged noncompliant; would stop working without MFA: key 1, last used \
2026-02-28T12:00:00Z
  - idle (no console password): would be enforced, would be tagged noncompliant; IAM is asked again before anything is \
done

EXEMPTIONS THAT END WITHIN 14 DAYS OR DO NOT COUNT
  - alice: until 2026-03-04T12:00:00Z, then enforced again (owner platform team, reason build machine)
  - the record of user id AIDA4 does not count: The exemption record lacks owner.

WITHOUT MFA DEVICE, LONGEST FIRST
  - bob: 28 days, blocked
  - ci: 28 days, not blocked (active machine user)
  - carl: 0 days, not blocked yet
  - idle: 0 days, not blocked yet

Help: https://wiki.example.com/mfa
"""


def test_what_enforcing_would_do_who_waits_and_what_ends() -> None:
    told = digest(
        ANN,
        BOB,
        CARL,
        CI,
        IDLE,
        EVE,
        writes=False,
        checks=(FINE, BAD, ADVICE),
        late="IAM did not finish the credential report.",
        exemptions={
            "AIDA1": exemption(ends=timedelta(days=3)),
            "AIDA2": exemption(ends=timedelta(days=15)),
            "AIDA3": exemption(ends=timedelta(0)),
            "AIDA4": MalformedExemption("The exemption record lacks owner."),
        },
    )
    message = digest_message(told, settings(), NOW)
    assert mail(message) == GOLDEN
    assert message.subject == "HIGH: 4 of 6 users without MFA device, 1 to decide, 1 problem"
    assert message.attributes == {"severity": "high", "kind": "digest", "account": "111122223333"}


def test_what_was_done_and_what_failed() -> None:
    told = digest(
        ANN,
        BOB,
        changes=(Change("bob", "enforced: the policy attached, tagged noncompliant: no MFA device"),),
        failures=(Failure("dan", "AccessDenied: not yours"), Failure("dee", "Throttling: Rate exceeded")),
        carried=("fay: the tags cannot be set",),
        left=3,
    )
    message = digest_message(told, settings(mode=Mode.ALL, help_url=""), NOW)
    text = mail(message)
    assert "WHAT MFA-GUARD DID\n  - bob: enforced: the policy attached, tagged noncompliant: no MFA device\n" in text
    assert "  - dan: AccessDenied: not yours\n  - dee: Throttling" in text
    assert "  - fay: the tags cannot be set (at the end of the last sweep)" in text
    assert "Time ran out with 3 users to go; another round goes on with them." in text
    assert "changed nothing" not in text
    assert (
        "  To undo one: the stack's output HowToExempt records an exemption, then releases; so does mfa-guard" in text
    )
    assert "Help:" not in text
    assert message.subject == "HIGH: 1 of 2 users without MFA device, 1 changed, 2 problems"


def test_a_round_that_changed_nobody_promises_no_other() -> None:
    text = mail(digest_message(digest(BOB, left=3), settings(mode=Mode.ALL), NOW))
    assert "before anybody was changed: the sweep ends here" in text


def test_enforcing_by_hand_follows_the_stacks_way() -> None:
    text = mail(digest_message(digest(CI), settings(enforce_through=AttachmentRoute.GROUP), NOW))
    assert "aws iam add-user-to-group --group-name mfa-guard-enforced --user-name NAME" in text


@pytest.mark.parametrize(
    ("told", "severity"),
    [
        (digest(ANN), "low"),
        (digest(ANN, checks=(FINE, ADVICE, UNSURE)), "low"),
        (digest(ANN, BOB), "medium"),
        (digest(ANN, changes=(Change("ann", "noncompliance tags removed"),)), "medium"),
        (digest(GIT), "medium"),
        (digest(ANN, checks=(BAD,)), "high"),
        (digest(ANN, failures=(Failure("x", "y"),)), "high"),
        (digest(ANN, carried=("x",)), "high"),
    ],
)
def test_severity(told: Digest, severity: str) -> None:
    assert digest_message(told, settings(), NOW).attributes["severity"] == severity


def test_a_machine_whose_keys_nobody_saw_in_use_has_a_service_specific_credential() -> None:
    assert "git: a service-specific credential" in mail(digest_message(digest(GIT), settings(), NOW))


def test_one_day_is_a_day() -> None:
    since = {**MARKED, "mfa-guard:since": "2026-02-28T12:00:00Z"}
    bob = assessment("bob", Standing.ENFORCED, devices=(), tags=since)
    assert "bob: 1 day, blocked" in mail(digest_message(digest(bob), settings(), NOW))


@pytest.mark.parametrize("count_", [3, 5_000])
def test_text_and_json_stay_under_the_limit_and_a_cut_says_how_much_and_where_the_rest_is(count_: int) -> None:
    crowd = tuple(
        assessment(f"{index:05}" + "x" * 59, Standing.ENFORCED, Action.ENFORCE, devices=(), attached=False)
        for index in range(count_)
    )
    message = digest_message(digest(*crowd, writes=False), settings(), NOW)
    assert len(message.body.encode()) <= LARGEST
    text, parsed = mail(message), json.loads(json.loads(message.body)["default"])
    jsonschema.validate(parsed, SCHEMA)
    section = parsed["sections"]["noncompliant"]
    assert section["total"] == count_
    shown = len(section["lines"])
    if count_ == 3:
        assert shown == 3
        assert " more: " not in text
    else:
        assert 0 < shown < count_
        assert f"and {count_ - shown} more: aws iam get-account-authorization-details --filter User" in text


def test_what_cannot_fit_is_a_loud_defect() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        digest_message(digest(ANN, late="x" * LARGEST), settings(), NOW)


def test_a_digest_may_be_as_large_as_the_limit_and_no_larger() -> None:
    def body(filling: str) -> bytes:
        return digest_message(digest(ANN), settings(help_url=f"https://x/{filling}"), NOW).body.encode()

    room = 250_000 - len(body(""))
    assert len(body("x" * room)) == 250_000
    with pytest.raises(ValueError, match="does not fit"):
        body("x" * (room + 1))


def test_of_a_list_that_is_told_whole_nothing_is_said_to_be_missing() -> None:
    """The longest list that is ever told whole, short enough in every line to fit."""
    text = mail(digest_message(digest(ANN, changes=(Change("a", "b"),) * 10_000), settings(), NOW))
    assert text.count("  - a: b\n") == 10_000
    assert " more: " not in text


class TestMemory:
    def test_pending_is_who_would_be_changed_and_who_waits_for_a_decision(self) -> None:
        names = pending(digest(ANN, BOB, CARL, CI, writes=False))
        assert {name.partition(":")[0] for name in names} == {"AIDACARL", "AIDACI"}

    def test_what_is_done_at_once_is_not_pending(self) -> None:
        assert pending(digest(CARL)) == frozenset()

    def test_problems_and_what_cannot_be_verified_are_named_and_advice_is_none(self) -> None:
        told = digest(ANN, BOB, checks=(FINE, BAD, ADVICE, UNSURE), failures=(Failure("dan", "x"),))
        assert problem_names(told) == {"health:dead-letter queue", "unsure:trail", "failure:dan"}


class TestWords:
    LOGS = "SweepFunction's log names every change and failure"
    LISTING = (
        "aws iam get-account-authorization-details --filter User --query "
        "\"UserDetailList[?Tags[?Key=='mfa-guard:status']].UserName\" --output text"
    )

    def test_each_section_says_where_the_rest_is(self) -> None:
        """Enough of everything that each section is cut."""
        many = 3_000
        long = "x" * 90
        text = mail(
            digest_message(
                digest(
                    *(replace(BOB, state=replace(BOB.state, name=f"{number}{long}")) for number in range(many)),
                    *(replace(CI, state=replace(CI.state, name=f"{number}{long}")) for number in range(many)),
                    *(replace(CARL, state=replace(CARL.state, name=f"{number}{long}")) for number in range(many)),
                    writes=False,
                    failures=tuple(Failure(f"f{number}", long) for number in range(many)),
                    changes=tuple(Change(f"c{number}", long) for number in range(many)),
                    exemptions={f"AIDA{number}{long}": MalformedExemption(long) for number in range(many)},
                    checks=(BAD,) * many,
                ),
                settings(),
                NOW,
            )
        )
        rests = [line.partition(" more: ")[2] for line in text.splitlines() if line.startswith("  and ")]
        scan = "aws dynamodb scan --region us-east-1 --table-name exemptions"
        assert rests == [self.LOGS, self.LOGS, self.LOGS, self.LISTING, self.LISTING, scan, self.LISTING]
        assert [line for line in text.splitlines() if line.isupper()] == [
            "WHAT FAILED",
            "HEALTH OF THE GUARD",
            "WHAT MFA-GUARD DID",
            "ACTIVE MACHINE USERS AWAITING A DECISION",
            "EXEMPTIONS THAT END WITHIN 14 DAYS OR DO NOT COUNT",
            "WITHOUT MFA DEVICE, LONGEST FIRST",
        ]

    def test_who_else_is_to_lose_keys_is_in_the_listing(self) -> None:
        soon = KeyDeactivation(DeactivationStep.NOTHING, NOW + timedelta(days=3))
        crowd = (
            replace(BOB, state=replace(BOB.state, name=f"{number:04}{'x' * 60}"), key_deactivation=soon)
            for number in range(3_000)
        )
        text = mail(digest_message(digest(*crowd), settings(), NOW))
        block = text.partition("ACCESS KEYS TO BE DEACTIVATED, AND WHEN\n")[2].partition("\n\n")[0]
        assert block.splitlines()[-1].partition(" more: ")[2] == self.LISTING

    def test_strangers_words_in_exemptions_are_cut_where_they_say(self) -> None:
        long = "x" * 200
        record = replace(exemption(ends=timedelta(days=1)), user_name=long, owner=long, reason=long)
        text = mail(
            digest_message(digest(ANN, exemptions={"A": record, long: MalformedExemption("Why?")}), settings(), NOW)
        )
        assert (
            f"  - {'x' * 61}...: until 2026-03-02T12:00:00Z, then enforced again (owner {'x' * 61}..., reason "
            f"{'x' * 125}...)"
        ) in text
        assert f"  - the record of user id {'x' * 125}... does not count: Why?" in text

    def test_what_nobody_uses_stops_nothing(self) -> None:
        text = mail(digest_message(digest(IDLE, writes=False), settings(), NOW))
        assert (
            "  - idle (no console password): would be enforced, would be tagged noncompliant; IAM is asked again "
            "before anything is done"
        ) in text

    def test_only_keys_with_a_use_on_record_are_named(self) -> None:
        keys = (key("key 1"), key("key 2", used=timedelta(days=100)), key("key 3", used=None), key("key 4"))
        carl = replace(CARL, state=replace(CARL.state, keys=keys))
        text = mail(digest_message(digest(carl, writes=False), settings(), NOW))
        assert "key 1, last used 2026-02-28T12:00:00Z; key 4, last used 2026-02-28T12:00:00Z" in text
        assert "key 2" not in text

    def test_the_subject_counts(self) -> None:
        assert digest_message(digest(ANN), settings(), NOW).subject == "LOW: 0 of 1 users without MFA device"

    def test_what_is_beyond_ascii_stays_as_it_is(self) -> None:
        message = digest_message(digest(ANN, failures=(Failure("M\u00fcller", "x"),)), settings(), NOW)
        assert "M\u00fcller" in message.body
        assert "M\u00fcller" in json.loads(message.body)["default"]

    def test_only_who_would_be_enforced_has_keys_that_would_stop(self) -> None:
        marked = replace(CI, plan=UserPlan(Standing.ACTIVE_MACHINE, (Action.MARK,)))
        text = mail(digest_message(digest(marked, writes=False), settings(), NOW))
        assert "  - ci (no console password): would be tagged noncompliant\n" in text

    def test_a_key_that_goes_this_very_moment_is_not_announced(self) -> None:
        due = replace(BOB, key_deactivation=KeyDeactivation(DeactivationStep.NOTHING, NOW))
        assert "ACCESS KEYS TO BE DEACTIVATED" not in mail(digest_message(digest(due), settings(), NOW))

    def test_what_waits_is_named_by_user_and_action(self) -> None:
        assert pending(digest(CARL, writes=False)) == {"AIDACARL:enforce,mark"}
