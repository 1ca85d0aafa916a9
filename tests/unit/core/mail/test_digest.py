"""What a digest means: severity, counts, sections, and cuts. The golden file has the words."""

import json
from dataclasses import replace
from datetime import timedelta

import jsonschema
import pytest

from mfa_guard.core.account.assessment import Assessment
from mfa_guard.core.account.key_deactivation import DeactivationStep, KeyDeactivation
from mfa_guard.core.attachments import AttachmentRoute
from mfa_guard.core.exemption import Exemption, MalformedExemption, fingerprint
from mfa_guard.core.mail.digest import Digest, digest_message, pending, problem_names
from mfa_guard.core.mail.digest_lines import exemption_change_lines
from mfa_guard.core.mail.layout import LARGEST, Message
from mfa_guard.core.mail.shell_commands import cli_command
from mfa_guard.core.plan import Action, UserPlan
from mfa_guard.core.settings import Mode, Settings
from mfa_guard.core.user_record import Standing
from support.factories import MARKED, NOW, POLICY, exemption, key, settings
from support.mails import (
    ADVICE,
    ANN,
    BAD,
    BOB,
    CARL,
    CI,
    DIGESTS,
    EVE,
    FINE,
    GIT,
    IDLE,
    RITA,
    SWEEPING,
    UNSURE,
    assessment,
    digest,
)
from support.messages import DIGEST_SCHEMA, data, mail

LISTING = (
    "aws iam get-account-authorization-details --filter User --query "
    "\"UserDetailList[?Tags[?Key=='mfa-guard:status']].UserName\" --output text"
)


def message(told: Digest, chosen: Settings | None = None) -> Message:
    return digest_message(told, chosen or settings(), NOW)


def lines(told: Digest, section: str, chosen: Settings | None = None) -> list[str]:
    found = data(message(told, chosen))["sections"][section]
    assert found["total"] == len(found["lines"])
    assert isinstance(found["lines"], list)
    return found["lines"]


@pytest.mark.parametrize("title", DIGESTS)
class TestEveryDigest:
    def test_the_json_keeps_the_schema(self, title: str) -> None:
        found = data(DIGESTS[title]())
        jsonschema.validate(found, DIGEST_SCHEMA)
        assert found["sections"].keys() == set(DIGEST_SCHEMA["properties"]["sections"]["required"])

    def test_the_mail_and_the_json_say_the_same(self, title: str) -> None:
        text, found = mail(DIGESTS[title]()), data(DIGESTS[title]())
        shown = [line for section in found["sections"].values() for line in section["lines"]]
        assert shown
        assert [line for line in shown if f"  - {line}\n" not in text] == []
        assert text.count("\n  - ") == len(shown)

    def test_subscribers_can_filter_by_kind_severity_and_account(self, title: str) -> None:
        found = data(DIGESTS[title]())
        attributes = {"severity": found["severity"], "kind": "digest", "account": "111122223333"}
        assert DIGESTS[title]().attributes == attributes
        assert {name: found[name] for name in attributes} == attributes
        assert DIGESTS[title]().subject.startswith(f"{found['severity'].upper()}: ")


@pytest.mark.parametrize(
    ("told", "severity"),
    [
        (digest(ANN), "low"),
        (digest(ANN, checks=(FINE, ADVICE, UNSURE)), "low"),
        (digest(ANN, BOB), "medium"),
        (digest(ANN, changes=(("ann", "noncompliance tags removed"),)), "medium"),
        (digest(replace(GIT, state=replace(GIT.state, devices=ANN.state.devices))), "medium"),
        (digest(ANN, checks=(BAD,)), "high"),
        (digest(ANN, failures=(("x", "y"),)), "high"),
        (digest(ANN, not_written=("x",)), "high"),
    ],
)
def test_severity(told: Digest, severity: str) -> None:
    assert message(told).attributes["severity"] == severity


class TestCounts:
    def test_the_json_has_them(self) -> None:
        found = data(message(digest(ANN, BOB, CARL, CI, EVE)))
        assert found["counts"] == {
            "users": 5,
            "compliant": 1,
            "noncompliant": 3,
            "exempt": 1,
            "enforced": 2,
            "awaiting_decision": 1,
        }
        assert found["in_scope"] == 5
        assert (found["mode"], found["time"], found["writes"]) == ("events", "2026-03-01T12:00:00Z", True)

    def test_the_subject_line_has_those_that_matter(self) -> None:
        told = digest(
            ANN,
            BOB,
            CI,
            changes=(("bob", "enforced"),),
            failures=(("dan", "AccessDenied"),),
            checks=(BAD, UNSURE, ADVICE),
        )
        assert (
            message(told).subject == "HIGH: 2 of 3 users without an MFA device, 1 changed, 1 decision open, 2 problems"
        )
        assert message(digest(ANN, EVE)).subject == "LOW: 0 of 2 users without an MFA device"

    def test_a_sweep_that_may_not_write_says_that_it_changed_nothing(self) -> None:
        assert "changed nothing in IAM" in mail(message(digest(ANN, writes=False)))
        assert "changed" not in mail(message(digest(ANN)))

    def test_a_gap_in_the_credential_report_is_reported(self) -> None:
        told = message(digest(ANN, report_problem="IAM did not finish the credential report."))
        assert data(told)["report_problem"] == "IAM did not finish the credential report."
        assert "\nIAM did not finish the credential report.\n" in mail(told)


class TestScope:
    def test_in_mode_events_the_mail_says_who_is_in_scope_and_what_all_would_add(self) -> None:
        told = digest(ANN, BOB, CARL, CI, in_scope=False)
        assert "0 users in scope of Mode: events. Mode: all would also change 1 user." in mail(message(told))
        assert lines(told, "planned")
        assert "in scope" not in mail(message(told, SWEEPING))

    def test_users_in_scope_are_not_planned(self) -> None:
        told = digest(ANN, CARL)
        assert "2 users in scope of Mode: events. Mode: all would also change 0 users." in mail(message(told))
        assert lines(told, "planned") == []


class TestUsersLeft:
    def test_a_round_that_changed_users_is_continued(self) -> None:
        told = message(digest(BOB, users_left=3, changes=(("bob", "enforced"),)), SWEEPING)
        assert data(told)["users_left"] == 3
        assert "3 users left" in mail(told)
        assert "next round" in mail(told)

    def test_a_round_that_changed_no_user_ends_the_sweep(self) -> None:
        text = mail(message(digest(BOB, users_left=1), SWEEPING))
        assert "1 user left" in text
        assert "next round" not in text
        assert "The sweep ends here." in text


class TestSections:
    def test_failures_are_those_of_this_sweep_and_of_the_tags_of_the_last(self) -> None:
        told = digest(
            ANN,
            failures=(("dan", "AccessDenied: no"), ("dee", "Throttling: Rate exceeded")),
            not_written=("fay: the tags cannot be set",),
        )
        assert lines(told, "failures") == [
            "dan: AccessDenied: no",
            "dee: Throttling: Rate exceeded",
            "fay: the tags cannot be set (at the end of the last sweep)",
        ]

    def test_checks_that_are_not_fine_come_first_with_their_advice(self) -> None:
        found = lines(digest(ANN, checks=(FINE, BAD, ADVICE, UNSURE)), "health")
        assert [line.partition(":")[0] for line in found] == ["problem", "advice", "cannot verify", "fine"]
        assert found[0].endswith(BAD.advice)
        assert found[3].endswith(FINE.reason)

    def test_a_change_can_be_undone(self) -> None:
        told = digest(ANN, changes=(("ann", "enforced"),))
        assert lines(told, "changes") == ["ann: enforced"]
        assert str(cli_command("undo", "NAME", settings())) in mail(message(told))
        assert "HowToExempt" in mail(message(told))

    def test_a_decision_names_the_credentials_in_use_and_both_commands(self) -> None:
        told = digest(CI, GIT)
        assert lines(told, "awaiting_decision") == [
            "ci: key 1, last used 2026-02-28T12:00:00Z",
            "git: a service-specific credential",
        ]
        text = mail(message(told))
        assert str(cli_command("exempt", "NAME", settings())) in text
        assert str(cli_command("enforce", "NAME", settings())) in text
        assert f"aws iam attach-user-policy --policy-arn {POLICY} --user-name NAME\n" in text

    def test_the_command_to_enforce_follows_the_route_of_the_stack(self) -> None:
        text = mail(message(digest(CI), settings(enforce_through=AttachmentRoute.GROUP)))
        assert "aws iam add-user-to-group --group-name mfa-guard-enforced --user-name NAME\n" in text

    def test_only_keys_with_a_recent_use_are_in_use(self) -> None:
        keys = (key("key 1"), key("key 2", used=timedelta(days=100)), key("key 3", used=None), key("key 4"))
        used = "key 1, last used 2026-02-28T12:00:00Z; key 4, last used 2026-02-28T12:00:00Z"
        assert lines(digest(replace(CI, state=replace(CI.state, keys=keys))), "awaiting_decision") == [f"ci: {used}"]
        [planned] = lines(digest(replace(CARL, state=replace(CARL.state, keys=keys)), writes=False), "planned")
        assert planned.endswith(used)

    @pytest.mark.parametrize(
        ("who", "facts", "lacks"),
        [
            (CARL, ("carl (console password)", "enforced", "tagged noncompliant", "key 1, last"), ("reads IAM again",)),
            (IDLE, ("idle (no console password)", "enforced", "reads IAM again"), ("stop working",)),
            (RITA, ("rita (console password)", "released", "no longer be tagged"), ("stop working",)),
            (
                replace(CI, plan=UserPlan(Standing.ACTIVE_MACHINE, (Action.MARK,))),
                ("ci (no console password)", "tagged noncompliant"),
                ("stop working", "enforced"),
            ),
        ],
        ids=["carl", "idle", "rita", "ci"],
    )
    def test_planned_changes(self, who: Assessment, facts: tuple[str, ...], lacks: tuple[str, ...]) -> None:
        [line] = lines(digest(who, writes=False), "planned")
        assert [fact for fact in facts if fact not in line] == []
        assert [word for word in lacks if word in line] == []

    def test_a_sweep_that_writes_plans_nothing(self) -> None:
        assert lines(digest(CARL), "planned") == []
        assert lines(digest(ANN, writes=False), "planned") == []

    def test_keys_are_announced_until_they_are_deactivated_the_next_first(self) -> None:
        def due(name: str, days: float) -> Assessment:
            soon = KeyDeactivation(DeactivationStep.NOTHING, NOW + timedelta(days=days))
            return replace(assessment(name, Standing.ENFORCED, devices=(), tags=MARKED), key_deactivation=soon)

        told = digest(due("late", 5), due("soon", 1), due("now", 0), BOB)
        assert lines(told, "key_deactivation") == ["soon: 2026-03-02T12:00:00Z", "late: 2026-03-06T12:00:00Z"]

    def test_exemptions_that_expire_within_14_days_or_are_not_valid(self) -> None:
        records = {
            "AIDA1": exemption(ends=timedelta(days=14)),
            "AIDA2": exemption(ends=timedelta(days=14, seconds=1)),
            "AIDA3": exemption(ends=timedelta(0)),
            "AIDA4": MalformedExemption("The exemption record lacks owner."),
        }
        expires, malformed = lines(digest(ANN, exemptions=records), "exemptions")
        facts = ("alice: ", "2026-03-15T12:00:00Z", "platform team", "build machine")
        assert [fact for fact in facts if fact not in expires] == []
        assert malformed.startswith("user id AIDA4: ")
        assert malformed.endswith("The exemption record lacks owner.")

    def test_text_of_strangers_in_exemptions_is_cut(self) -> None:
        long = "x" * 200
        record = replace(exemption(ends=timedelta(days=1)), user_name=long, owner=long, reason=long)
        records = {"AIDA1": record, long: MalformedExemption("Why?")}
        expires, malformed = lines(digest(ANN, exemptions=records), "exemptions")
        assert expires.startswith(f"{'x' * 61}...: ")
        assert f"(owner {'x' * 61}..., reason {'x' * 125}...)" in expires
        assert malformed.startswith(f"user id {'x' * 125}...: ")

    def test_noncompliant_users_are_listed_with_days_and_standing_the_longest_first(self) -> None:
        since = {**MARKED, "mfa-guard:since": "2026-02-28T12:00:00Z"}
        dan = assessment("dan", Standing.ENFORCED, devices=(), tags=since)
        assert lines(digest(ANN, CARL, dan, CI, BOB, EVE), "noncompliant") == [
            "bob: 28 days, enforced",
            "ci: 28 days, not enforced (active machine user)",
            "dan: 1 day, enforced",
            "carl: 0 days, not enforced yet",
        ]


class TestNewsOfEarlierSweeps:
    def test_held_lines_come_before_the_changes_of_this_sweep_and_count_as_changes(self) -> None:
        told = digest(ANN, held=("gus: enforced (at 2026-03-01 11:00 UTC)",), changes=(("ann", "enforced"),))
        assert lines(told, "changes") == ["gus: enforced (at 2026-03-01 11:00 UTC)", "ann: enforced"]
        assert "2 changed" in message(told).subject


class TestExemptionsThatChanged:
    """The second channel beside the table's stream."""

    RECORD = exemption("AIDA1")

    def changed(self, known: dict[str, str], *records: Exemption | MalformedExemption) -> list[str]:
        return list(exemption_change_lines(known, {f"AIDA{n}": each for n, each in enumerate(records, 1)}))

    def test_a_record_that_no_digest_has_shown(self) -> None:
        [line] = self.changed({}, self.RECORD)
        facts = ("alice, user id AIDA1: new, ", "2026-03-31T12:00:00Z", "platform team", "build machine", "Admin/bob")
        assert [fact for fact in facts if fact not in line] == []

    @pytest.mark.parametrize("field", ["user_name", "owner", "reason", "created_by"])
    def test_a_record_in_which_a_word_changed(self, field: str) -> None:
        known = {"AIDA1": fingerprint(self.RECORD)}
        assert self.changed(known, self.RECORD) == []
        [line] = self.changed(known, replace(self.RECORD, **{field: "other"}))  # type: ignore[arg-type]
        assert line.partition(": ")[2].startswith("changed, ")

    def test_a_record_that_ends_later(self) -> None:
        known = {"AIDA1": fingerprint(self.RECORD)}
        later = replace(self.RECORD, expires_at=self.RECORD.expires_at + timedelta(days=1))
        assert len(self.changed(known, later)) == 1

    def test_a_record_that_is_not_valid(self) -> None:
        assert self.changed({}, MalformedExemption("Why?")) == ["user id AIDA1: new, not valid. Why?"]

    def test_a_record_that_was_removed(self) -> None:
        assert self.changed({"AIDA9": "0"}) == ["user id AIDA9: removed"]

    def test_text_of_strangers_is_cut(self) -> None:
        long = "x" * 300
        [line] = self.changed({}, replace(self.RECORD, user_name=long, owner=long, reason=long, created_by=long))
        assert len(line) < 500


class TestCuts:
    @pytest.mark.parametrize("count", [3, 5_000])
    def test_text_and_json_stay_under_the_limit_and_a_cut_says_how_much_and_where_the_rest_is(self, count: int) -> None:
        users = tuple(
            assessment(f"{index:05}" + "x" * 59, Standing.ENFORCED, Action.ENFORCE, devices=(), attached=False)
            for index in range(count)
        )
        cut = message(digest(*users, writes=False))
        assert len(cut.body.encode()) <= LARGEST
        jsonschema.validate(data(cut), DIGEST_SCHEMA)
        section = data(cut)["sections"]["noncompliant"]
        assert section["total"] == count
        shown = len(section["lines"])
        if count == 3:
            assert shown == 3
            assert " more: " not in mail(cut)
        else:
            assert 0 < shown < count
            assert f"  and {count - shown} more: {LISTING}\n" in mail(cut)

    def test_each_section_says_where_the_rest_is(self) -> None:
        many, long = 3_000, "x" * 90

        def users(like: Assessment) -> tuple[Assessment, ...]:
            return tuple(replace(like, state=replace(like.state, name=f"{number}{long}")) for number in range(many))

        soon = KeyDeactivation(DeactivationStep.NOTHING, NOW + timedelta(days=3))
        told = digest(
            *users(replace(BOB, key_deactivation=soon)),
            *users(CI),
            *users(CARL),
            writes=False,
            failures=tuple((f"f{number}", long) for number in range(many)),
            changes=tuple((f"c{number}", long) for number in range(many)),
            exemptions={f"AIDA{number}{long}": MalformedExemption(long) for number in range(many)},
            checks=(BAD,) * many,
        )
        rests = [line.partition(" more: ")[2] for line in mail(message(told)).splitlines() if " more: " in line]
        logs = "see the log of SweepFunction, which has every change and failure"
        scan = "aws dynamodb scan --region us-east-1 --table-name exemptions"
        assert rests == [logs, logs, logs, LISTING, LISTING, LISTING, scan, LISTING]

    def test_the_longest_list_that_fits_is_whole(self) -> None:
        text = mail(message(digest(ANN, changes=(("a", "b"),) * 10_000)))
        assert text.count("  - a: b\n") == 10_000
        assert " more: " not in text

    def test_a_digest_can_be_as_large_as_the_limit_and_no_larger(self) -> None:
        def body(filling: str) -> bytes:
            return message(digest(ANN), settings(help_url=f"https://x/{filling}")).body.encode()

        room = 250_000 - len(body(""))
        assert len(body("x" * room)) == 250_000
        with pytest.raises(ValueError, match="does not fit into 250000 bytes"):
            body("x" * (room + 1))


class TestNews:
    """What the next sweep compares to decide whether there is news."""

    def test_pending_are_planned_changes_and_open_decisions(self) -> None:
        assert pending(digest(ANN, BOB, CARL, CI, writes=False)) == {"AIDACARL:enforce,mark", "AIDACI:decide"}

    def test_what_a_sweep_does_at_once_is_not_pending(self) -> None:
        assert pending(digest(CARL)) == frozenset()

    def test_an_exemption_that_is_not_valid_is_pending(self) -> None:
        records = {"AIDA4": MalformedExemption("Why?"), "AIDA1": exemption()}
        assert pending(digest(ANN, exemptions=records)) == {"exemption:AIDA4"}

    def test_messages_that_stay_in_the_dead_letter_queue_are_news_at_each_doubling(self) -> None:
        none, one, two, three, many = (problem_names(digest(ANN, dead_letters_left=left)) for left in (0, 1, 2, 3, 500))
        assert none < one < two < many
        assert two == three

    def test_problems_failures_and_checks_that_cannot_be_verified_have_names(self) -> None:
        told = digest(ANN, BOB, checks=(FINE, BAD, ADVICE, UNSURE), failures=(("dan", "x"),))
        assert problem_names(told) == {f"health:dead-letter queue:{BAD.reason}", "unsure:trail", "failure:dan"}

    def test_a_check_with_parts_is_named_by_them(self) -> None:
        told = digest(ANN, checks=(replace(BAD, parts=("1", "2")),))
        assert problem_names(told) == {"health:dead-letter queue:1", "health:dead-letter queue:2"}

    def test_advice_that_cannot_be_verified_is_no_news(self) -> None:
        assert problem_names(digest(ANN, checks=(replace(UNSURE, advisory=True),))) == frozenset()


def test_without_a_help_url_there_is_no_help_line() -> None:
    assert "Help: https://wiki.example.com/mfa\n" in mail(message(digest(ANN)))
    assert "Help:" not in mail(message(digest(ANN), settings(help_url="")))


def test_text_beyond_ascii_stays_as_it_is() -> None:
    told = message(digest(ANN, failures=(("M\u00fcller", "x"),)), settings(mode=Mode.ALL))
    assert "M\u00fcller" in told.body
    assert "M\u00fcller" in json.loads(told.body)["default"]
