"""The checks of the guard itself: fine, a problem, or impossible to verify."""

from dataclasses import replace

import pytest

from mfa_guard.core.health.checks import Check, Readings, Verdict, judge, problems
from mfa_guard.core.health.deployed import Deployed, policy_digest
from mfa_guard.core.health.readings import GroupPolicies, PolicyVersion, Root, Rule, Unread
from mfa_guard.core.health.trail_selectors import BasicSelector, Trail, TrailState
from support.factories import ACCOUNT, GROUP, POLICY, settings

FUNCTION = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:mfa-guard-UserEventFunction"
ALERT_FUNCTION = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:mfa-guard-AlertFunction"
TRAIL_ARN = f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/main"
SUBSCRIPTION = f"arn:aws:sns:us-east-1:{ACCOUNT}:notices:1"
DOCUMENT = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}
DENIED = Unread("An error occurred (AccessDenied) when calling the X operation: no")

DEPLOYED = Deployed(
    settings=settings(),
    stack_name="mfa-guard",
    name_prefix="mfa-guard",
    policy_digest=policy_digest(DOCUMENT, account=ACCOUNT, partition="aws"),
    rules=("mfa-guard-new-credentials", "mfa-guard-root-sign-in"),
    functions=(FUNCTION, ALERT_FUNCTION),
    queue_url=f"https://sqs.us-east-1.amazonaws.com/{ACCOUNT}/dead",
)
RULES = {
    "mfa-guard-new-credentials": Rule("ENABLED", (FUNCTION,)),
    "mfa-guard-root-sign-in": Rule("ENABLED", ("arn:aws:sqs:us-east-1:1:other", ALERT_FUNCTION)),
}
ALL_WRITES = BasicSelector(management=True, read_write="All", excluded=())
MAIN = Trail(TRAIL_ARN, "us-east-1", multi_region=True, global_events=True)
LOGS_ALL = TrailState(logging=True, selectors=(ALL_WRITES,))

HEALTHY = Readings(
    trails={MAIN: LOGS_ALL},
    rules=RULES,
    notices=(SUBSCRIPTION,),
    operations=(SUBSCRIPTION,),
    dead_letters=0,
    policy=PolicyVersion("v1", DOCUMENT),
    group=GroupPolicies((POLICY,), ()),
    root=Root(mfa=True, keys=False, password=True),
    termination_protection=True,
)
READING_OF = {
    "trail": "trails",
    "rules": "rules",
    "notices topic": "notices",
    "operations topic": "operations",
    "dead-letter queue": "dead_letters",
    "enforcement policy": "policy",
    "enforcement group": "group",
    "root": "root",
    "termination protection": "termination_protection",
}


def checks(**readings: object) -> dict[str, Check]:
    """Return the checks by name, of a guard that is fine except for `readings`."""
    return {check.name: check for check in judge(replace(HEALTHY, **readings), DEPLOYED)}  # type: ignore[arg-type]


def check(name: str, reading: object) -> Check:
    return checks(**{READING_OF[name]: reading})[name]


class TestEveryCheck:
    def test_a_healthy_guard_is_fine_in_a_stable_order(self) -> None:
        found = judge(HEALTHY, DEPLOYED)
        assert [each.name for each in found] == list(READING_OF)
        assert {(each.verdict, each.label, each.advice) for each in found} == {(Verdict.FINE, "fine", "")}
        assert problems(found) == ()

    @pytest.mark.parametrize("name", READING_OF)
    def test_an_unread_part_is_unverifiable_and_hides_no_other_part(self, name: str) -> None:
        found = checks(**{READING_OF[name]: DENIED})
        assert (found[name].verdict, found[name].reason) == (Verdict.CANNOT_VERIFY, f"{DENIED.reason}.")
        assert "service control policy" in found[name].advice
        assert {each.verdict for each in found.values() if each.name != name} == {Verdict.FINE}
        assert problems(found.values()) == ()

    @pytest.mark.parametrize("name", READING_OF)
    def test_a_check_stands_alone_if_all_other_parts_are_unread(self, name: str) -> None:
        found = checks(**{field: DENIED for other, field in READING_OF.items() if other != name})
        assert [each.name for each in found.values() if each.verdict is Verdict.FINE] == [name]

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


class TestRules:
    @pytest.mark.parametrize(
        ("rule", "why"),
        [
            (None, "does not exist"),
            (Rule("DISABLED", (FUNCTION,)), "is DISABLED"),
            (Rule("ENABLED", ()), "invokes none of mfa-guard's functions"),
            (Rule("ENABLED", (f"{FUNCTION}-2",)), "invokes none of mfa-guard's functions"),
        ],
    )
    def test_a_rule_that_invokes_no_function_is_a_problem(self, rule: Rule | None, why: str) -> None:
        name = "mfa-guard-new-credentials"
        rules = {key: value for key, value in (RULES | {name: rule}).items() if value}
        found = check("rules", rules)
        assert (found.verdict, found.reason) == (Verdict.PROBLEM, f"Rules that do not work: {name} {why}.")
        assert "aws events enable-rule --region us-east-1" in found.advice

    def test_a_rule_that_also_gets_read_events_is_enabled(self) -> None:
        more = Rule("ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS", (FUNCTION,))
        assert check("rules", RULES | {"mfa-guard-new-credentials": more}).verdict is Verdict.FINE

    def test_other_rules_do_not_matter(self) -> None:
        assert check("rules", RULES | {"mfa-guard-test-other": Rule("DISABLED", ())}).verdict is Verdict.FINE

    def test_many_are_counted(self) -> None:
        many = replace(DEPLOYED, rules=tuple(f"mfa-guard-{n}" for n in range(20)))
        [found] = [each for each in judge(HEALTHY, many) if each.name == "rules"]
        assert found.reason.endswith("; and 14 more.")


@pytest.mark.parametrize("topic", ["notices", "operations"])
class TestTopics:
    def test_one_confirmed_subscription_is_enough(self, topic: str) -> None:
        found = check(f"{topic} topic", ["PendingConfirmation", SUBSCRIPTION, "Deleted"])
        assert (found.verdict, found.reason) == (Verdict.FINE, "Confirmed subscriptions: 1.")

    @pytest.mark.parametrize(
        ("subscriptions", "reason"),
        [
            ([], "has no subscription."),
            (["Deleted"], "has no subscription."),
            (["PendingConfirmation"], "wait for confirmation: 1."),
            (["Deleted", "PendingConfirmation"], "wait for confirmation: 1."),
        ],
    )
    def test_a_topic_without_a_confirmed_subscription_is_a_problem(
        self, topic: str, subscriptions: list[str], reason: str
    ) -> None:
        found = check(f"{topic} topic", subscriptions)
        assert (found.verdict, found.reason.endswith(reason)) == (Verdict.PROBLEM, True)
        assert found.advice.endswith(f"--topic-arn arn:aws:sns:us-east-1:{ACCOUNT}:{topic}")


def test_a_dead_letter_is_a_problem() -> None:
    found = check("dead-letter queue", 3)
    assert (found.verdict, found.reason) == (Verdict.PROBLEM, "Events that could not be handled: 3.")
    assert DEPLOYED.queue_url in found.advice


class TestPolicy:
    def test_another_default_version_is_a_problem(self) -> None:
        weaker = {"Version": "2012-10-17", "Statement": []}
        found = check("enforcement policy", PolicyVersion("v2", weaker))
        assert found.verdict is Verdict.PROBLEM
        assert "v2" in found.reason
        assert f"list-policy-versions --policy-arn {POLICY}" in found.advice

    def test_the_same_document_under_another_version_is_fine(self) -> None:
        assert check("enforcement policy", PolicyVersion("v7", DOCUMENT)).verdict is Verdict.FINE


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
    found = checks(dead_letters=1, root=DENIED, termination_protection=False, notices=())
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
            "rules": "All 2 rules are enabled and invoke mfa-guard's functions.",
            "notices topic": "Confirmed subscriptions: 1.",
            "operations topic": "Confirmed subscriptions: 1.",
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
                "rules",
                {"mfa-guard-new-credentials": Rule("x" * 41, (FUNCTION,))},
                f"Rules that do not work: mfa-guard-new-credentials is {'x' * 37}...; mfa-guard-root-sign-in does not "
                "exist.",
                "mfa-guard does not see some events. If this is an emergency stop, mfa-guard start ends it. Otherwise "
                f"enable each rule with aws events enable-rule --region us-east-1 --name NAME.{RESTORE}",
            ),
            ("notices topic", (), "The topic has no subscription.", f"No one receives the notices.{SUBSCRIBE}notices"),
            (
                "operations topic",
                ("PendingConfirmation", "Deleted"),
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
                f"The default version, {'v' * 17}..., is not what the stack deployed.",
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
