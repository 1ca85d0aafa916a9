"""What the guard makes of what it reads about itself: fine, a problem, or nothing that anybody can tell."""

import json
from dataclasses import replace

import pytest

from mfa_guard.core.health.checks import (
    AdvancedSelector,
    BasicSelector,
    Check,
    Deployed,
    FieldFilter,
    GroupPolicies,
    PolicyVersion,
    Readings,
    Root,
    Rule,
    Trail,
    TrailState,
    Unread,
    Verdict,
    judge,
    parse_deployed,
    policy_digest,
    problems,
)
from mfa_guard.core.settings import SettingsError
from support.factories import ACCOUNT, GROUP, POLICY, settings

FUNCTION = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:mfa-guard-UserEventFunction"
ALERT_FUNCTION = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:mfa-guard-AlertFunction"
TRAIL_ARN = f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/main"
SUBSCRIPTION = f"arn:aws:sns:us-east-1:{ACCOUNT}:notices:1"
DOCUMENT = {
    "Version": "2012-10-17",
    "Statement": [
        {"Sid": "Own", "Effect": "Allow", "Action": "iam:GetUser", "Resource": f"arn:aws:iam::{ACCOUNT}:user/x"},
        {
            "Sid": "Block",
            "Effect": "Deny",
            "NotAction": ["iam:GetUser", "iam:ChangePassword"],
            "Resource": "*",
            "Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}},
        },
    ],
}
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
    """Return the checks of a guard that is fine but for `readings`, by name."""
    return {check.name: check for check in judge(replace(HEALTHY, **readings), DEPLOYED)}  # type: ignore[arg-type]


def check(name: str, reading: object) -> Check:
    return checks(**{READING_OF[name]: reading})[name]


SWEEPS_ENVIRONMENT = {
    "STACK_NAME": "guard-2",
    "NAME_PREFIX": "guard",
    "POLICY_DIGEST": "0123abcd",
    "RULE_NAMES": "guard-2-new-credentials,guard-2-root-sign-in",
    "RULE_TARGETS": f"{FUNCTION},{ALERT_FUNCTION}",
    "DEAD_LETTER_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/1/dead",
}
SWEEP_FUNCTION = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:guard-2-SweepFunction"


class TestDeployed:
    def test_the_functions_environment_says_what_was_deployed(self) -> None:
        assert parse_deployed(SWEEPS_ENVIRONMENT, settings(group_name="g"), SWEEP_FUNCTION) == Deployed(
            settings=settings(group_name="g"),
            stack_name="guard-2",
            name_prefix="guard",
            policy_digest="0123abcd",
            rules=("guard-2-new-credentials", "guard-2-root-sign-in"),
            functions=(FUNCTION, ALERT_FUNCTION, SWEEP_FUNCTION),
            queue_url="https://sqs.us-east-1.amazonaws.com/1/dead",
        )

    @pytest.mark.parametrize("name", SWEEPS_ENVIRONMENT)
    def test_a_missing_variable_is_named(self, name: str) -> None:
        environment = {**SWEEPS_ENVIRONMENT, name: ""}
        with pytest.raises(SettingsError, match=f"^The environment variable {name} is missing or empty\\.$"):
            parse_deployed(environment, settings(), SWEEP_FUNCTION)


class TestEveryCheck:
    def test_a_healthy_guard_is_fine_in_a_stable_order(self) -> None:
        found = judge(HEALTHY, DEPLOYED)
        assert [each.name for each in found] == list(READING_OF)
        assert {(each.verdict, each.label, each.advice) for each in found} == {(Verdict.FINE, "fine", "")}
        assert problems(found) == ()

    @pytest.mark.parametrize("name", READING_OF)
    def test_what_cannot_be_read_is_unverifiable_with_the_reason_and_hides_no_other(self, name: str) -> None:
        found = checks(**{READING_OF[name]: DENIED})
        assert (found[name].verdict, found[name].reason) == (Verdict.CANNOT_VERIFY, f"{DENIED.reason}.")
        assert "service control policy" in found[name].advice
        assert {each.verdict for each in found.values() if each.name != name} == {Verdict.FINE}
        assert problems(found.values()) == ()

    @pytest.mark.parametrize("name", READING_OF)
    def test_all_else_unread_a_check_still_stands(self, name: str) -> None:
        found = checks(**{field: DENIED for other, field in READING_OF.items() if other != name})
        assert [each.name for each in found.values() if each.verdict is Verdict.FINE] == [name]

    def test_what_is_gone_is_a_problem(self) -> None:
        gone = check("enforcement group", Unread("The group cannot be found.", missing=True))
        assert (gone.verdict, gone.reason) == (Verdict.PROBLEM, "The group cannot be found.")
        assert f"--group-name {GROUP}" in gone.advice

    def test_a_strangers_words_stay_on_one_bounded_line(self) -> None:
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
        "selector",
        [
            ALL_WRITES,
            replace(ALL_WRITES, read_write="WriteOnly"),
            replace(ALL_WRITES, excluded=("kms.amazonaws.com", "rdsdata.amazonaws.com")),
            AdvancedSelector((FieldFilter("eventCategory", "Equals", ("Management",)),)),
            AdvancedSelector(
                (
                    FieldFilter("eventCategory", "Equals", ("Management",)),
                    FieldFilter("readOnly", "Equals", ("false",)),
                    FieldFilter("eventSource", "NotEquals", ("kms.amazonaws.com",)),
                )
            ),
            AdvancedSelector((FieldFilter("eventSource", "StartsWith", ("iam.", "sts.")),)),
            AdvancedSelector((FieldFilter("eventSource", "EndsWith", (".amazonaws.com",)),)),
            AdvancedSelector((FieldFilter("eventSource", "NotStartsWith", ("kms.",)),)),
            AdvancedSelector((FieldFilter("readOnly", "NotEndsWith", ("true",)),)),
        ],
    )
    def test_selectors_that_take_iams_writes(self, selector: BasicSelector | AdvancedSelector) -> None:
        found = check("trail", {MAIN: TrailState(logging=True, selectors=(selector,))})
        assert (found.verdict, TRAIL_ARN in found.reason) == (Verdict.FINE, True)

    @pytest.mark.parametrize(
        "selector",
        [
            replace(ALL_WRITES, management=False),
            replace(ALL_WRITES, read_write="ReadOnly"),
            replace(ALL_WRITES, excluded=("iam.amazonaws.com",)),
            AdvancedSelector((FieldFilter("eventCategory", "Equals", ("Data",)),)),
            AdvancedSelector(
                (
                    FieldFilter("eventCategory", "Equals", ("Management",)),
                    FieldFilter("readOnly", "Equals", ("true",)),
                )
            ),
            AdvancedSelector((FieldFilter("readOnly", "NotEquals", ("false",)),)),
            AdvancedSelector((FieldFilter("eventSource", "NotEquals", ("iam.amazonaws.com",)),)),
            AdvancedSelector((FieldFilter("eventSource", "Equals", ("s3.amazonaws.com",)),)),
            AdvancedSelector((FieldFilter("eventSource", "NotStartsWith", ("iam",)),)),
            AdvancedSelector((FieldFilter("eventSource", "NotEndsWith", (".com",)),)),
            AdvancedSelector((FieldFilter("eventName", "NotEquals", ("CreateUser",)),)),
            AdvancedSelector((FieldFilter("readOnly", "Resembles", ("false",)),)),
        ],
    )
    def test_selectors_that_leave_some_out(self, selector: BasicSelector | AdvancedSelector) -> None:
        found = check("trail", {MAIN: TrailState(logging=True, selectors=(selector,))})
        assert found.verdict is Verdict.PROBLEM
        assert "does not record all management write events of IAM" in found.reason

    def test_one_selector_of_several_is_enough(self) -> None:
        data = replace(ALL_WRITES, management=False)
        assert check("trail", {MAIN: TrailState(logging=True, selectors=(data, ALL_WRITES))}).verdict is Verdict.FINE

    @pytest.mark.parametrize(
        ("trail", "state", "why"),
        [
            (replace(MAIN, global_events=False), LOGS_ALL, "leaves out the events of global services"),
            (replace(MAIN, multi_region=False, home_region="eu-west-1"), LOGS_ALL, "covers eu-west-1 only"),
            (MAIN, replace(LOGS_ALL, logging=False), "is not logging"),
            (MAIN, replace(LOGS_ALL, selectors=()), "does not record"),
            (replace(MAIN, global_events=False), DENIED, "leaves out the events of global services"),
        ],
    )
    def test_a_trail_without_iams_events_is_none(self, trail: Trail, state: TrailState | Unread, why: str) -> None:
        found = check("trail", {trail: state})
        assert (found.verdict, why in found.reason) == (Verdict.PROBLEM, True)
        assert "start-logging" in found.advice

    @pytest.mark.parametrize(
        "trail", [replace(MAIN, multi_region=False), replace(MAIN, home_region="eu-west-1")], ids=["here", "everywhere"]
    )
    def test_it_is_homed_here_or_covers_all_regions(self, trail: Trail) -> None:
        assert check("trail", {trail: LOGS_ALL}).verdict is Verdict.FINE

    def test_no_trail_at_all(self) -> None:
        assert check("trail", {}).verdict is Verdict.PROBLEM

    def test_an_unreadable_trail_is_unverifiable_whatever_is_wrong_with_others(self) -> None:
        stopped = replace(MAIN, arn=f"{TRAIL_ARN}-2")
        found = check("trail", {stopped: replace(LOGS_ALL, logging=False), MAIN: Unread("TrailNotFound")})
        assert found.verdict is Verdict.CANNOT_VERIFY
        assert f"{TRAIL_ARN} (TrailNotFound)" in found.reason
        assert f"{TRAIL_ARN}-2 is not logging" in found.reason
        assert "whoever runs that trail" in found.advice

    def test_an_unreadable_trail_does_not_matter_beside_a_good_one(self) -> None:
        organizations = replace(MAIN, arn="arn:aws:cloudtrail:us-east-1:999999999999:trail/org")
        assert check("trail", {organizations: DENIED, MAIN: LOGS_ALL}).verdict is Verdict.FINE


class TestRules:
    @pytest.mark.parametrize(
        ("rule", "why"),
        [
            (None, "does not exist"),
            (Rule("DISABLED", (FUNCTION,)), "is DISABLED"),
            (Rule("ENABLED", ()), "wakes none of the guard's functions"),
            (Rule("ENABLED", (f"{FUNCTION}-2",)), "wakes none of the guard's functions"),
        ],
    )
    def test_a_rule_that_wakes_nobody_is_a_problem(self, rule: Rule | None, why: str) -> None:
        name = "mfa-guard-new-credentials"
        rules = {key: value for key, value in (RULES | {name: rule}).items() if value}
        found = check("rules", rules)
        assert (found.verdict, found.reason) == (Verdict.PROBLEM, f"Rules that do not work: {name} {why}.")
        assert "aws events enable-rule --region us-east-1" in found.advice

    def test_a_rule_that_sees_even_more_events_is_enabled(self) -> None:
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
            ([], "There is no subscription."),
            (["Deleted"], "There is no subscription."),
            (["PendingConfirmation"], "No subscription is confirmed; not yet confirmed: 1."),
            (["Deleted", "PendingConfirmation"], "No subscription is confirmed; not yet confirmed: 1."),
        ],
    )
    def test_without_one_nobody_is_told(self, topic: str, subscriptions: list[str], reason: str) -> None:
        found = check(f"{topic} topic", subscriptions)
        assert (found.verdict, found.reason) == (Verdict.PROBLEM, reason)
        assert f"--topic-arn arn:aws:sns:us-east-1:{ACCOUNT}:{topic} " in found.advice


def test_a_dead_letter_is_a_problem() -> None:
    found = check("dead-letter queue", 3)
    assert (found.verdict, found.reason) == (Verdict.PROBLEM, "Events that could not be handled: 3.")
    assert DEPLOYED.queue_url in found.advice


class TestPolicy:
    def test_another_default_version_is_a_problem(self) -> None:
        weaker = {"Version": "2012-10-17", "Statement": DOCUMENT["Statement"][:1]}
        found = check("enforcement policy", PolicyVersion("v2", weaker))
        assert found.verdict is Verdict.PROBLEM
        assert "v2" in found.reason
        assert f"list-policy-versions --policy-arn {POLICY}" in found.advice

    def test_the_same_document_under_another_version_is_fine(self) -> None:
        assert check("enforcement policy", PolicyVersion("v7", DOCUMENT)).verdict is Verdict.FINE


def digest(document: object, account: str = ACCOUNT, partition: str = "aws") -> str:
    return policy_digest(document, account=account, partition=partition)


class TestPolicyDigest:
    def test_it_is_the_same_in_every_account_and_partition(self) -> None:
        text = json.dumps(DOCUMENT)
        elsewhere = json.loads(text.replace("arn:aws:iam::111122223333:", "arn:aws-cn:iam::444455556666:"))
        assert digest(elsewhere, "444455556666", "aws-cn") == digest(DOCUMENT)

    def test_another_accounts_arns_are_not_ones_own(self) -> None:
        assert digest(DOCUMENT, "444455556666") != digest(DOCUMENT)

    def test_no_document_passes_for_another_by_naming_the_placeholder(self) -> None:
        forged = json.loads(json.dumps(DOCUMENT).replace(f"arn:aws:iam::{ACCOUNT}:", "§"))
        assert digest(forged) != digest(DOCUMENT)

    def test_order_and_single_values_mean_nothing(self) -> None:
        own, block = DOCUMENT["Statement"]
        same = {
            "Statement": [
                {**block, "NotAction": ["iam:ChangePassword", "iam:GetUser"], "Resource": ["*"]},  # type: ignore[dict-item]
                {**own, "Action": ["iam:GetUser"]},  # type: ignore[dict-item]
            ],
            "Version": "2012-10-17",
        }
        assert digest(same) == digest(DOCUMENT)

    @pytest.mark.parametrize("document", [None, "text", [], {}, [None, 1, {"a": []}]])
    def test_what_is_no_policy_has_one_of_its_own(self, document: object) -> None:
        assert digest(document) not in {digest(DOCUMENT), digest("other")}

    def test_a_truth_value_is_its_text(self) -> None:
        as_text = {"Condition": {"Bool": {"aws:MultiFactorAuthPresent": "false"}}}
        as_truth = {"Condition": {"Bool": {"aws:MultiFactorAuthPresent": False}}}
        assert digest(as_truth) == digest(as_text)

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ('"Deny"', '"Allow"'),
            ("BoolIfExists", "Bool"),
            ('"false"', '"true"'),
            ('"iam:ChangePassword"', '"iam:ChangePassword", "s3:*"'),
            ('"NotAction"', '"Action"'),
            ("user/x", "user/*"),
            ("2012-10-17", "2008-10-17"),
        ],
    )
    def test_every_change_of_meaning_shows(self, old: str, new: str) -> None:
        text = json.dumps(DOCUMENT)
        assert text.count(old) >= 1
        assert digest(json.loads(text.replace(old, new))) != digest(DOCUMENT)


class TestGroup:
    @pytest.mark.parametrize(
        ("group", "words"),
        [
            (GroupPolicies((), ()), ["lacks the enforcement policy"]),
            (GroupPolicies((POLICY, "arn:aws:iam::aws:policy/X"), ()), ["spreads", "arn:aws:iam::aws:policy/X"]),
            (GroupPolicies((POLICY,), ("inline",)), ["spreads", "inline"]),
            (GroupPolicies((), ("inline",)), ["lacks the enforcement policy", "inline"]),
        ],
    )
    def test_it_carries_the_enforcement_policy_and_no_other(self, group: GroupPolicies, words: list[str]) -> None:
        found = check("enforcement group", group)
        assert found.verdict is Verdict.PROBLEM
        assert all(word in found.reason for word in words)
        assert f"attach-group-policy --group-name {GROUP} --policy-arn {POLICY}" in found.advice


class TestRoot:
    @pytest.mark.parametrize(
        ("root", "verdict", "reason"),
        [
            (Root(mfa=True, keys=False, password=True), Verdict.FINE, "Root has MFA and no access keys."),
            (Root(mfa=True, keys=True, password=True), Verdict.PROBLEM, "Root has access keys."),
            (Root(mfa=False, keys=False, password=True), Verdict.PROBLEM, "Root has no MFA device."),
            (Root(mfa=False, keys=True, password=True), Verdict.PROBLEM, "Root has access keys and no MFA device."),
            (Root(mfa=False, keys=True, password=False), Verdict.PROBLEM, "Root has access keys and no MFA device."),
        ],
    )
    def test_it_has_mfa_and_no_keys(self, root: Root, verdict: Verdict, reason: str) -> None:
        found = check("root", root)
        assert (found.verdict, found.reason) == (verdict, reason)

    def test_whether_a_root_without_credentials_can_be_recovered_nobody_can_tell(self) -> None:
        found = check("root", Root(mfa=False, keys=False, password=False))
        assert found.verdict is Verdict.CANNOT_VERIFY
        assert "account recovery" in found.advice


def test_missing_termination_protection_is_advice_and_counts_nowhere() -> None:
    found = checks(termination_protection=False)
    check = found["termination protection"]
    assert (check.verdict, check.label, check.advisory) == (Verdict.PROBLEM, "advice", True)
    assert check.advice.endswith("--region us-east-1 --stack-name mfa-guard")
    assert problems(found.values()) == ()


def test_problems_are_those_that_count() -> None:
    found = checks(dead_letters=1, root=DENIED, termination_protection=False, notices=())
    assert [each.name for each in problems(found.values())] == ["notices topic", "dead-letter queue"]
    assert {each.label for each in problems(found.values())} == {"problem"}


RESTORED = (
    "for what is gone or altered, make a change set of the stack mfa-guard with --deployment-mode REVERT_DRIFT, "
    "keeping every parameter's previous value, and see in CloudTrail who did it."
)
SUBSCRIBE = (
    "Confirm the mail that AWS sent, or subscribe: aws sns subscribe --region us-east-1 --topic-arn "
    "arn:aws:sns:us-east-1:"
    "111122223333:{} --protocol email --notification-endpoint ADDRESS"
)
WEST = Trail(
    "arn:aws:cloudtrail:us-west-2:111122223333:trail/west", "us-west-2", multi_region=False, global_events=True
)


class TestWords:
    """A person acts on these as they stand."""

    def test_what_is_fine(self) -> None:
        assert {each.name: each.reason for each in judge(HEALTHY, DEPLOYED)} == {
            "trail": f"{TRAIL_ARN} is logging and records IAM's management write events.",
            "rules": "All 2 rules are enabled and wake the guard's functions.",
            "notices topic": "Confirmed subscriptions: 1.",
            "operations topic": "Confirmed subscriptions: 1.",
            "dead-letter queue": "The queue is empty.",
            "enforcement policy": "The default version, v1, is what the stack deployed.",
            "enforcement group": "It carries the enforcement policy and no other.",
            "root": "Root has MFA and no access keys.",
            "termination protection": "The stack is protected against deletion.",
        }
        assert [each.name for each in judge(HEALTHY, DEPLOYED) if each.advisory] == ["termination protection"]

    @pytest.mark.parametrize(
        ("name", "reading", "reason", "advice"),
        [
            (
                "trail",
                {},
                "No trail covers this Region.",
                "IAM's events do not reach the guard; only sweeps find users who need it. Start a trail again with aws "
                "cloudtrail start-logging, or let one record management write events and global services in all "
                "Regions.",
            ),
            (
                "rules",
                {"mfa-guard-new-credentials": Rule("x" * 41, (FUNCTION,))},
                f"Rules that do not work: mfa-guard-new-credentials is {'x' * 37}...; mfa-guard-root-sign-in does not "
                "exist.",
                "Events go unseen. Unless this is an emergency stop that still lasts (mfa-guard start ends it), enable "
                f"the rules again (aws events enable-rule --region us-east-1 --name NAME); {RESTORED}",
            ),
            ("notices topic", (), "There is no subscription.", f"Notices reach nobody. {SUBSCRIBE.format('notices')}"),
            (
                "operations topic",
                ("PendingConfirmation", "Deleted"),
                "No subscription is confirmed; not yet confirmed: 1.",
                f"Alarms reach nobody. {SUBSCRIBE.format('operations')}",
            ),
            (
                "dead-letter queue",
                2,
                "Events that could not be handled: 2.",
                "They are kept for 14 days. Mend the cause that the functions' logs name, then redrive them as the "
                f"runbook says, or with mfa-guard dead-letters redrive: {DEPLOYED.queue_url}",
            ),
            (
                "enforcement policy",
                PolicyVersion("v" * 21, {}),
                f"The default version, {'v' * 17}..., is not what the stack deployed.",
                "Users may not be bound, or locked out. Find the right version (aws iam list-policy-versions "
                f"--policy-arn {POLICY}) and make it the default (aws iam set-default-policy-version); {RESTORED}",
            ),
            (
                "enforcement group",
                GroupPolicies(("p" * 161,), ("q",)),
                "It lacks the enforcement policy, so its members are not bound. It carries what spreads to every "
                f"member: {'p' * 157}..., q.",
                f"Put the policy back with aws iam attach-group-policy --group-name {GROUP} --policy-arn {POLICY}, "
                f"take others off with detach-group-policy or delete-group-policy; {RESTORED}",
            ),
            (
                "root",
                Root(mfa=False, keys=True, password=False),
                "Root has access keys and no MFA device.",
                "No policy of this account binds root. Sign in as root, enroll an MFA device, and delete access keys.",
            ),
            (
                "termination protection",
                False,
                "One call deletes the stack.",
                "Switch it on: aws cloudformation update-termination-protection --enable-termination-protection "
                "--region us-east-1 --stack-name mfa-guard",
            ),
        ],
    )
    def test_what_is_wrong_and_what_to_do(self, name: str, reading: object, reason: str, advice: str) -> None:
        found = check(name, reading)
        assert (found.verdict, found.reason, found.advice) == (Verdict.PROBLEM, reason, advice)

    def test_what_keeps_trails_from_bringing_events(self) -> None:
        assert check("trail", {replace(MAIN, global_events=False): LOGS_ALL, WEST: LOGS_ALL}).reason == (
            f"No trail brings IAM's events: {TRAIL_ARN} leaves out the events of global services; {WEST.arn} covers "
            "us-west-2 only."
        )
        assert check("trail", {MAIN: TrailState(logging=False, selectors=(ALL_WRITES,))}).reason == (
            f"No trail brings IAM's events: {TRAIL_ARN} is not logging."
        )
        assert check("trail", {MAIN: TrailState(logging=True, selectors=())}).reason == (
            f"No trail brings IAM's events: {TRAIL_ARN} does not record all management write events of IAM."
        )

    def test_a_trail_that_does_not_answer(self) -> None:
        found = check("trail", {MAIN: Unread("no"), WEST: LOGS_ALL})
        assert (found.verdict, found.reason, found.advice) == (
            Verdict.CANNOT_VERIFY,
            f"Perhaps no trail brings IAM's events: no answer about {TRAIL_ARN} (no); {WEST.arn} covers us-west-2 "
            "only.",
            "Ask whoever runs that trail whether it is logging management write events; while changes of users bring "
            "notices, it is.",
        )

    def test_root_without_anything_to_sign_in_with(self) -> None:
        found = check("root", Root(mfa=False, keys=False, password=False))
        assert (found.verdict, found.reason, found.advice) == (
            Verdict.CANNOT_VERIFY,
            "Root has no MFA device, but nothing to sign in with either.",
            "Nothing is to be done if your organization manages root access centrally and has account recovery "
            "switched off; otherwise whoever reads root's mail can set a password: set one yourself, and enroll an "
            "MFA device.",
        )

    def test_six_are_named_and_the_rest_counted(self) -> None:
        for count, rest in ((6, ""), (7, ", and 1 more")):
            names = [f"p{number}" for number in range(count)]
            reason = check("enforcement group", GroupPolicies((POLICY, *names), ())).reason
            assert reason == f"It carries what spreads to every member: {', '.join(names[:6])}{rest}."
