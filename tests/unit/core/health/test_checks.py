"""The checks of the guard itself: fine, a problem, or impossible to verify."""

from dataclasses import replace

import pytest

from mfa_guard.core.health.checks import NOTICES_TOPIC, Verdict, doublings, judge, problems
from mfa_guard.core.health.readings import GroupPolicies, PolicyVersion, Root, Subscriptions, Unread
from mfa_guard.core.health.trail_selectors import Trail, TrailState
from support.factories import GROUP, POLICY
from support.health import (
    DENIED,
    DEPLOYED,
    DOCUMENT,
    HEALTHY,
    LOGS_ALL,
    MAIN,
    READING_OF,
    TRAIL_ARN,
    check,
    checks,
)


class TestEveryCheck:
    def test_a_healthy_guard_is_fine_in_a_stable_order(self) -> None:
        found = judge(HEALTHY, DEPLOYED)
        assert [each.name for each in found] == list(READING_OF)
        assert {(each.verdict, each.label, each.advice) for each in found} == {(Verdict.FINE, "fine", "")}
        assert problems(found) == ()

    @pytest.mark.parametrize("name", READING_OF)
    def test_an_unread_part_is_unverifiable_and_hides_no_other_part(self, name: str) -> None:
        found = checks(DEPLOYED, **{READING_OF[name]: DENIED})
        assert (found[name].verdict, found[name].reason) == (Verdict.CANNOT_VERIFY, f"{DENIED.reason}.")
        assert "service control policy" in found[name].advice
        assert {each.verdict for each in found.values() if each.name != name} == {Verdict.FINE}
        assert problems(found.values()) == ()

    @pytest.mark.parametrize("name", READING_OF)
    def test_a_check_stands_alone_if_all_other_parts_are_unread(self, name: str) -> None:
        found = checks(DEPLOYED, stop=DENIED, **{field: DENIED for other, field in READING_OF.items() if other != name})
        assert [each.name for each in found.values() if each.verdict is Verdict.FINE] == [name]

    def test_without_the_stacks_resources_nothing_that_needs_them_is_fine(self) -> None:
        found = checks(resources=DENIED)
        unverifiable = {name for name, each in found.items() if each.verdict is Verdict.CANNOT_VERIFY}
        assert unverifiable == {"rules", "topic policies", "functions", "exemption changes", "schedule"}
        assert all(DENIED.reason in found[name].reason for name in unverifiable)

    def test_without_content_nothing_that_is_compared_is_fine(self) -> None:
        found = checks(replace(DEPLOYED, content=Unread("Another version")))
        unverifiable = {name: each.reason for name, each in found.items() if each.verdict is Verdict.CANNOT_VERIFY}
        assert unverifiable.keys() == {
            "rules",
            "topic policies",
            "functions",
            "exemption changes",
            "schedule",
            "enforcement policy",
        }
        assert all("Another version" in reason for reason in unverifiable.values())

    def test_a_missing_part_is_a_problem(self) -> None:
        gone = check("enforcement group", Unread("The group cannot be found.", missing=True))
        assert (gone.verdict, gone.reason) == (Verdict.PROBLEM, "The group cannot be found.")
        assert f"--group-name {GROUP}" in gone.advice

    def test_names_from_aws_stay_on_one_line_of_limited_length(self) -> None:
        stranger = "x\r\nHEALTH: all fine\u202e" * 40
        found = [
            check("root", Unread(stranger)),
            check("enforcement group", GroupPolicies((POLICY,), (stranger,) * 20)),
            check("trail", {replace(MAIN, arn=f"{stranger}{n}"): Unread(stranger) for n in range(20)}),
        ]
        assert all(each.verdict is not Verdict.FINE for each in found)
        assert all(len(each.reason) <= 1000 and each.reason.isprintable() for each in found)


class TestTrail:
    @pytest.mark.parametrize(
        ("trail", "state", "why"),
        [
            (replace(MAIN, global_events=False), LOGS_ALL, "excludes the events of global services"),
            (replace(MAIN, multi_region=False, home_region="eu-west-1"), LOGS_ALL, "covers only eu-west-1"),
            (MAIN, replace(LOGS_ALL, logging=False), "is not logging"),
            (MAIN, replace(LOGS_ALL, selectors=()), "does not record"),
            (replace(MAIN, global_events=False), DENIED, "excludes the events of global services"),
        ],
    )
    def test_a_trail_that_does_not_deliver_is_a_problem(
        self, trail: Trail, state: TrailState | Unread, why: str
    ) -> None:
        found = check("trail", {trail: state})
        assert (found.verdict, why in found.reason) == (Verdict.PROBLEM, True)
        assert "start-logging" in found.advice

    def test_an_account_without_a_trail_is_a_problem(self) -> None:
        assert check("trail", {}).verdict is Verdict.PROBLEM

    def test_an_unread_trail_beside_a_stopped_trail_is_unverifiable(self) -> None:
        stopped = replace(MAIN, arn=f"{TRAIL_ARN}-2")
        found = check("trail", {stopped: replace(LOGS_ALL, logging=False), MAIN: Unread("TrailNotFound")})
        assert found.verdict is Verdict.CANNOT_VERIFY
        assert f"{TRAIL_ARN} cannot be read (TrailNotFound)" in found.reason
        assert f"{TRAIL_ARN}-2 is not logging" in found.reason
        assert "owner of the trail" in found.advice

    def test_an_unread_trail_beside_a_good_trail_does_not_matter(self) -> None:
        organizations = replace(MAIN, arn="arn:aws:cloudtrail:us-east-1:999999999999:trail/org")
        assert check("trail", {organizations: DENIED, MAIN: LOGS_ALL}).verdict is Verdict.FINE


def test_a_dead_letter_is_a_problem() -> None:
    found = check("dead-letter queue", 3)
    assert (found.verdict, found.reason) == (Verdict.PROBLEM, "Events that could not be handled: 3.")
    assert DEPLOYED.queue_url in found.advice
    assert found.parts == ("1", "2")


@pytest.mark.parametrize(
    ("count", "expected"), [(0, ()), (1, ("1",)), (2, ("1", "2")), (7, ("1", "2", "4")), (8, ("1", "2", "4", "8"))]
)
def test_each_doubling_is_a_part(count: int, expected: tuple[str, ...]) -> None:
    assert doublings(count) == expected


class TestPolicy:
    def test_another_default_version_is_a_problem_that_names_the_statement(self) -> None:
        weaker = {**DOCUMENT, "Statement": [DOCUMENT["Statement"][0]]}
        found = check("enforcement policy", PolicyVersion("v2", weaker))
        assert found.verdict is Verdict.PROBLEM
        assert found.reason == "The default version, v2, is not what the stack deployed; it differs in Block."
        assert f"list-policy-versions --policy-arn {POLICY}" in found.advice

    def test_the_same_document_under_another_version_is_fine(self) -> None:
        assert check("enforcement policy", PolicyVersion("v7", DOCUMENT)).verdict is Verdict.FINE

    def test_the_policy_of_other_parameters_is_a_problem(self) -> None:
        closed = replace(DEPLOYED, true_conditions=frozenset[str]())
        assert checks(closed)["enforcement policy"].verdict is Verdict.PROBLEM

    def test_it_needs_no_listing_of_the_stack(self) -> None:
        assert checks(resources=DENIED)["enforcement policy"].verdict is Verdict.FINE


class TestGroup:
    @pytest.mark.parametrize(
        ("group", "words"),
        [
            (GroupPolicies((), ()), ["lacks the enforcement policy"]),
            (
                GroupPolicies((POLICY, "arn:aws:iam::aws:policy/X"), ()),
                ["other policies", "arn:aws:iam::aws:policy/X"],
            ),
            (GroupPolicies((POLICY,), ("inline",)), ["other policies", "inline"]),
            (GroupPolicies((), ("inline",)), ["lacks the enforcement policy", "inline"]),
        ],
    )
    def test_a_missing_policy_or_another_policy_is_a_problem(self, group: GroupPolicies, words: list[str]) -> None:
        found = check("enforcement group", group)
        assert found.verdict is Verdict.PROBLEM
        assert all(word in found.reason for word in words)
        assert f"attach-group-policy --group-name {GROUP} --policy-arn {POLICY}" in found.advice


class TestRoot:
    @pytest.mark.parametrize(
        ("root", "verdict", "reason"),
        [
            (Root(mfa=True, keys=False, password=True), Verdict.FINE, "Root has an MFA device and no access keys."),
            (Root(mfa=True, keys=True, password=True), Verdict.PROBLEM, "Root has access keys."),
            (Root(mfa=False, keys=False, password=True), Verdict.PROBLEM, "Root has no MFA device."),
            (Root(mfa=False, keys=True, password=True), Verdict.PROBLEM, "Root has access keys and no MFA device."),
            (Root(mfa=False, keys=True, password=False), Verdict.PROBLEM, "Root has access keys and no MFA device."),
        ],
    )
    def test_it_has_mfa_and_no_keys(self, root: Root, verdict: Verdict, reason: str) -> None:
        found = check("root", root)
        assert (found.verdict, found.reason) == (verdict, reason)

    def test_root_without_credentials_is_unverifiable_because_of_account_recovery(self) -> None:
        found = check("root", Root(mfa=False, keys=False, password=False))
        assert found.verdict is Verdict.CANNOT_VERIFY
        assert "account recovery" in found.advice


def test_missing_termination_protection_is_advice_and_no_problem() -> None:
    found = checks(termination_protection=False)
    check = found["termination protection"]
    assert (check.verdict, check.label, check.advisory) == (Verdict.PROBLEM, "advice", True)
    assert check.advice.endswith("--region us-east-1 --stack-name mfa-guard")
    assert problems(found.values()) == ()


def test_problems_exclude_advice_and_unverifiable_checks() -> None:
    found = checks(dead_letters=1, root=DENIED, termination_protection=False, notices=Subscriptions((), 0))
    assert [each.name for each in problems(found.values())] == ["notices topic", "dead-letter queue"]
    assert {each.label for each in problems(found.values())} == {"problem"}


RESTORE = (
    " To restore what was deleted or changed, create a change set for the stack mfa-guard with --deployment-mode "
    "REVERT_DRIFT and the previous value of every parameter. CloudTrail shows who made the change."
)
SUBSCRIBE = (
    " Confirm the subscription with the link in AWS's mail, or subscribe again: aws sns subscribe --region us-east-1 "
    "--protocol email --notification-endpoint ADDRESS --topic-arn arn:aws:sns:us-east-1:111122223333:"
)
WEST = Trail(
    "arn:aws:cloudtrail:us-west-2:111122223333:trail/west", "us-west-2", multi_region=False, global_events=True
)


class TestSentences:
    """Administrators act on these sentences."""

    def test_what_is_fine(self) -> None:
        assert {each.name: each.reason for each in judge(HEALTHY, DEPLOYED)} == {
            "trail": f"{TRAIL_ARN} is logging and records IAM's management write events.",
            "rules": "All 2 rules are enabled, and match and invoke what the stack deployed.",
            "notices topic": "Confirmed subscriptions: email 1.",
            "operations topic": "Confirmed subscriptions: email 1.",
            "topic policies": "Both topics have the policies that the stack deployed.",
            "functions": "Every function has the concurrency and the destination for failed events that the stack "
            "deployed.",
            "exemption changes": "Changes of exemptions reach AlertFunction.",
            "schedule": "The schedule is enabled and starts sweeps: rate(1 hour).",
            "dead-letter queue": "The queue is empty.",
            "enforcement policy": "The default version, v1, is what the stack deployed.",
            "enforcement group": "The group has the enforcement policy and no other policy.",
            "root": "Root has an MFA device and no access keys.",
            "termination protection": "Termination protection is enabled.",
        }
        assert [each.name for each in judge(HEALTHY, DEPLOYED) if each.advisory] == ["termination protection"]

    @pytest.mark.parametrize(
        ("name", "reading", "reason", "advice"),
        [
            (
                "trail",
                {},
                "No trail covers this Region.",
                "IAM's events do not reach mfa-guard, so only sweeps find users who need enforcement. Start a trail "
                "again with aws cloudtrail start-logging, or let a trail record management write events and global "
                "services in all Regions.",
            ),
            (
                "notices topic",
                Subscriptions((), 0),
                "The topic has no subscription.",
                f"No one receives the notices.{SUBSCRIBE}notices",
            ),
            (
                "operations topic",
                Subscriptions((), 1),
                "No subscription is confirmed. Subscriptions that wait for confirmation: 1.",
                f"No one receives the alarms.{SUBSCRIBE}operations",
            ),
            (
                "dead-letter queue",
                2,
                "Events that could not be handled: 2.",
                "The queue keeps them for 14 days. Fix the cause that the functions' logs show. Then redrive the "
                "events with mfa-guard dead-letters redrive, or as docs/dead-letters.md describes, from "
                f"{DEPLOYED.queue_url}",
            ),
            (
                "enforcement policy",
                PolicyVersion("v" * 21, {}),
                f"The default version, {'v' * 17}..., is not what the stack deployed; it differs in Block, Enroll.",
                "The policy may not require MFA, or may lock users out. Find the right version with aws iam "
                f"list-policy-versions --policy-arn {POLICY} and make it the default with aws iam "
                f"set-default-policy-version.{RESTORE}",
            ),
            (
                "enforcement group",
                GroupPolicies(("p" * 161,), ("q",)),
                "The group lacks the enforcement policy, so its members are not enforced. The group has other "
                f"policies, which apply to every member: {'p' * 157}..., q.",
                f"Attach the enforcement policy with aws iam attach-group-policy --group-name {GROUP} --policy-arn "
                f"{POLICY} and remove other policies with detach-group-policy or delete-group-policy.{RESTORE}",
            ),
            (
                "root",
                Root(mfa=False, keys=True, password=False),
                "Root has access keys and no MFA device.",
                "No policy in this account applies to root. Sign in as root, enroll an MFA device, and delete the "
                "access keys.",
            ),
            (
                "termination protection",
                False,
                "Termination protection is disabled, so one API call can delete the stack.",
                "Enable it: aws cloudformation update-termination-protection --enable-termination-protection "
                "--region us-east-1 --stack-name mfa-guard",
            ),
        ],
    )
    def test_what_is_wrong_and_what_to_do(self, name: str, reading: object, reason: str, advice: str) -> None:
        found = check(name, reading)
        assert (found.verdict, found.reason, found.advice) == (Verdict.PROBLEM, reason, advice)

    def test_why_trails_do_not_deliver(self) -> None:
        assert check("trail", {replace(MAIN, global_events=False): LOGS_ALL, WEST: LOGS_ALL}).reason == (
            f"No trail delivers IAM's events: {TRAIL_ARN} excludes the events of global services; {WEST.arn} covers "
            "only us-west-2."
        )

    def test_a_part_that_cannot_be_read(self) -> None:
        found = check("root", DENIED)
        assert found.advice == (
            "If access was denied, compare SweepFunction's role with the template, and look for a service control "
            "policy that denies the call. Otherwise wait for the next sweep, which tries again."
        )

    def test_a_trail_that_cannot_be_read(self) -> None:
        found = check("trail", {MAIN: Unread("no"), WEST: LOGS_ALL})
        assert (found.verdict, found.reason, found.advice) == (
            Verdict.CANNOT_VERIFY,
            f"It is not certain that a trail delivers IAM's events: {TRAIL_ARN} cannot be read (no); {WEST.arn} covers "
            "only us-west-2.",
            "Ask the owner of the trail whether it logs management write events. If changes to users lead to notices, "
            "it does.",
        )

    def test_root_without_credentials(self) -> None:
        found = check("root", Root(mfa=False, keys=False, password=False))
        assert (found.verdict, found.reason, found.advice) == (
            Verdict.CANNOT_VERIFY,
            "Root has no MFA device, but also no password and no access keys.",
            "You need to do nothing if your organization manages root access centrally and account recovery is off. "
            "Otherwise anyone who can read root's mail can set a password: set a password yourself and enroll an MFA "
            "device.",
        )

    def test_six_are_listed_and_the_rest_counted(self) -> None:
        for count, rest in ((6, ""), (7, ", and 1 more")):
            names = [f"p{number}" for number in range(count)]
            reason = check("enforcement group", GroupPolicies((POLICY, *names), ())).reason
            shown = ", ".join(names[:6])
            assert reason == f"The group has other policies, which apply to every member: {shown}{rest}."


def test_the_checks_that_have_an_alarm_of_their_own_exist() -> None:
    # use_cases/sweep/record.py measures them by these names.
    assert {"trail", "rules", NOTICES_TOPIC} <= set(checks())
