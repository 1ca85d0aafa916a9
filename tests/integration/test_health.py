"""Reads of the guard's own parts on moto, and every read that AWS may refuse."""

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import boto3
import botocore.session
import pytest
from botocore.exceptions import ConnectTimeoutError
from botocore.stub import Stubber

from mfa_guard.adapters.health import (
    GuardHealth,
    IamReader,
    QueueReader,
    RuleReader,
    StackReader,
    TopicReader,
    TrailReader,
)
from mfa_guard.core.health.checks import Check, Verdict, judge, problems
from mfa_guard.core.health.deployed import Deployed, policy_digest
from mfa_guard.core.health.readings import Root, Unread
from mfa_guard.core.health.trail_selectors import AdvancedSelector, BasicSelector, FieldFilter, TrailState
from mfa_guard.core.settings import parse_settings
from mfa_guard_cli.stack.template import Stack
from mfa_guard_emulator.aws.resources import create_all
from support.account import Account
from support.aws import Faults

if TYPE_CHECKING:
    from mypy_boto3_cloudtrail import CloudTrailClient
    from mypy_boto3_iam import IAMClient

READERS = (TrailReader, RuleReader, TopicReader, QueueReader, IamReader, StackReader)
BUCKET = "trails"
READ_BY = {
    "DescribeTrails": "trail",
    "GetTrailStatus": "trail",
    "GetEventSelectors": "trail",
    "ListRules": "rules",
    "ListTargetsByRule": "rules",
    "GetQueueAttributes": "dead-letter queue",
    "GetPolicy": "enforcement policy",
    "GetPolicyVersion": "enforcement policy",
    "ListAttachedGroupPolicies": "enforcement group",
    "ListGroupPolicies": "enforcement group",
    "GetAccountSummary": "root",
    "DescribeStacks": "termination protection",
}

T = TypeVar("T")


def stubbed_session() -> boto3.Session:
    """Return a session for clients whose responses a Stubber returns."""
    return boto3.Session("test", "nothing", region_name="us-east-1")


@dataclass(frozen=True)
class Guard:
    """The guard's parts in the account, and their reader."""

    deployed: Deployed
    health: GuardHealth
    iam: "IAMClient"
    cloudtrail: "CloudTrailClient"
    faults: Faults

    def checks(self) -> dict[str, Check]:
        return {check.name: check for check in judge(self.health.read(self.deployed), self.deployed)}

    def check(self, name: str) -> Check:
        return self.checks()[name]


@pytest.fixture
def guard(account: Account, stack: Stack) -> Guard:
    """Return a guard in which all is fine except root, which cannot have MFA in moto."""
    chosen = parse_settings(stack.environment("UserEventFunction"))
    names = sorted({name for rule in stack.rules() for name in rule.functions})
    functions = {name: str(stack.resolve({"Fn::GetAtt": [name, "Arn"]})) for name in names}
    create_all(account.clients, stack, frozenset({"AWS::Events::Rule"}))
    for topic in (chosen.notices_topic_arn, chosen.operations_topic_arn):
        account.clients.sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="admin@example.com")
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    trail("main")
    create_stack(stack.name, protected=True)

    faults = Faults()

    def watched(client: T) -> T:
        client.meta.events.register("before-call", faults.before_call)  # type: ignore[attr-defined]
        return client

    iam, home = watched(boto3.client("iam")), watched(boto3.client("cloudtrail"))
    regions = {stack.region: home}
    health = GuardHealth(
        iam=iam,
        events=watched(boto3.client("events")),
        sns=watched(boto3.client("sns")),
        sqs=watched(boto3.client("sqs")),
        cloudformation=watched(boto3.client("cloudformation")),
        cloudtrail=lambda region: regions.get(region) or boto3.client("cloudtrail", region_name=region),
    )
    deployed = Deployed(
        settings=chosen,
        stack_name=stack.name,
        name_prefix=str(stack.parameters["NamePrefix"]),
        policy_digest=policy_digest(
            stack.policy_document("EnforcementPolicy"), account=stack.account, partition=stack.partition
        ),
        rules=tuple(rule.name for rule in stack.rules()),
        functions=tuple(functions.values()),
        queue_url=stack.physical_id("DeadLetterQueue"),
    )
    return Guard(deployed, health, iam, home, faults)


def trail(name: str, home: str = "us-east-1", *, multi_region: bool = True, global_events: bool = True) -> str:
    """Create a trail that logs all management events, as AWS's console does."""
    client = boto3.client("cloudtrail", region_name=home)
    arn = client.create_trail(
        Name=name, S3BucketName=BUCKET, IsMultiRegionTrail=multi_region, IncludeGlobalServiceEvents=global_events
    )["TrailARN"]
    # moto lacks the selector that every new trail has.
    client.put_event_selectors(
        TrailName=name, EventSelectors=[{"ReadWriteType": "All", "IncludeManagementEvents": True}]
    )
    client.start_logging(Name=name)
    return arn


def create_stack(name: str, *, protected: bool) -> None:
    # moto requires a resource.
    body = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}
    client = boto3.client("cloudformation")
    client.create_stack(StackName=name, TemplateBody=json.dumps(body), EnableTerminationProtection=protected)


class TestTheWholeGuard:
    def test_all_is_fine_except_root_and_takes_five_iam_calls(self, guard: Guard) -> None:
        verdicts = {name: check.verdict for name, check in guard.checks().items()}
        assert verdicts.pop("root") is Verdict.PROBLEM
        assert set(verdicts.values()) == {Verdict.FINE}
        iam = set(botocore.session.get_session().get_service_model("iam").operation_names)
        assert len([call for call in guard.faults.made if call in iam]) == 5

    def test_a_refused_read_makes_one_check_unverifiable_and_no_other(self, guard: Guard) -> None:
        before = guard.checks()
        for operation, name in READ_BY.items():
            guard.faults.failing = {operation: "AccessDenied"}
            after = guard.checks()
            assert "AccessDenied by the test" in after[name].reason
            assert after == before | {name: after[name]}
            assert after[name].verdict is Verdict.CANNOT_VERIFY

    def test_refused_subscriptions_make_both_topics_unverifiable(self, guard: Guard) -> None:
        guard.faults.failing = {"ListSubscriptionsByTopic": "AuthorizationError"}
        unverifiable = [name for name, each in guard.checks().items() if each.verdict is Verdict.CANNOT_VERIFY]
        assert unverifiable == ["notices topic", "operations topic"]

    def test_if_every_read_is_refused_nothing_raises_and_nothing_counts(self, guard: Guard) -> None:
        operations = {permission.partition(":")[2] for reader in READERS for permission in reader.PERMISSIONS}
        guard.faults.failing = dict.fromkeys(operations, "AccessDenied")
        found = guard.checks()
        assert {each.verdict for each in found.values()} == {Verdict.CANNOT_VERIFY}
        assert problems(found.values()) == ()

    def test_a_network_that_is_down_makes_checks_unverifiable(self, guard: Guard) -> None:
        def time_out(**_: object) -> None:
            raise ConnectTimeoutError(endpoint_url="https://iam.amazonaws.com")

        guard.iam.meta.events.register("before-call.iam.GetAccountSummary", time_out)
        root = guard.check("root")
        assert (root.verdict, "https://iam.amazonaws.com" in root.reason) == (Verdict.CANNOT_VERIFY, True)


class TestTrails:
    def test_a_stopped_trail_is_a_problem(self, guard: Guard) -> None:
        boto3.client("cloudtrail").stop_logging(Name="main")
        found = guard.check("trail")
        assert (found.verdict, "is not logging" in found.reason) == (Verdict.PROBLEM, True)

    def test_a_deleted_trail_is_a_problem(self, guard: Guard) -> None:
        boto3.client("cloudtrail").delete_trail(Name="main")
        assert guard.check("trail").verdict is Verdict.PROBLEM

    def test_a_trail_of_another_region_is_read_at_home(self, guard: Guard) -> None:
        boto3.client("cloudtrail").delete_trail(Name="main")
        arn = trail("far", "eu-west-1")
        found = guard.check("trail")
        assert (found.verdict, arn in found.reason) == (Verdict.FINE, True)
        boto3.client("cloudtrail", region_name="eu-west-1").stop_logging(Name="far")
        assert guard.check("trail").verdict is Verdict.PROBLEM

    def test_after_a_good_trail_no_other_trail_is_read(self, guard: Guard) -> None:
        trail("second")
        guard.check("trail")
        assert guard.faults.made.count("GetTrailStatus") == 1

    def test_a_trail_missing_in_its_home_region_is_unverifiable_unless_another_is_good(self, guard: Guard) -> None:
        described = boto3.client("cloudtrail").describe_trails()["trailList"]
        foreign = {**described[0], "TrailARN": "arn:aws:cloudtrail:us-east-1:999999999999:trail/org"}
        for listed, verdict in (([foreign], Verdict.CANNOT_VERIFY), ([foreign, *described], Verdict.FINE)):
            with Stubber(guard.cloudtrail) as stub:
                stub.add_response("describe_trails", {"trailList": listed})
                stub.add_client_error("get_trail_status", "TrailNotFoundException")
                if verdict is Verdict.FINE:
                    stub.add_response("get_trail_status", {"IsLogging": True})
                    stub.add_response("get_event_selectors", {"EventSelectors": [{"ReadWriteType": "All"}]})
                assert guard.check("trail").verdict is verdict
                stub.assert_no_pending_responses()

    @pytest.mark.usefixtures("guard")
    def test_basic_and_advanced_selectors_are_parsed(self) -> None:
        client = boto3.client("cloudtrail")
        reader = TrailReader(client)
        [found] = reader.trails()
        client.put_event_selectors(
            TrailName="main",
            EventSelectors=[
                {
                    "ReadWriteType": "WriteOnly",
                    "IncludeManagementEvents": False,
                    "ExcludeManagementEventSources": ["kms.amazonaws.com"],
                }
            ],
        )
        basic = BasicSelector(management=False, read_write="WriteOnly", excluded=("kms.amazonaws.com",))
        assert reader.state(found.arn) == TrailState(logging=True, selectors=(basic,))
        client.put_event_selectors(
            TrailName="main",
            AdvancedEventSelectors=[
                {
                    "Name": "management",
                    "FieldSelectors": [
                        {"Field": "eventCategory", "Equals": ["Management"]},
                        {"Field": "eventSource", "NotEquals": ["kms.amazonaws.com"], "StartsWith": ["iam"]},
                    ],
                }
            ],
        )
        [selector] = reader.state(found.arn).selectors
        assert isinstance(selector, AdvancedSelector)
        assert set(selector.filters) == {
            FieldFilter("eventCategory", "Equals", ("Management",)),
            FieldFilter("eventSource", "NotEquals", ("kms.amazonaws.com",)),
            FieldFilter("eventSource", "StartsWith", ("iam",)),
        }

    def test_a_field_that_a_selector_lacks_has_aws_default(self) -> None:
        client = stubbed_session().client("cloudtrail")
        with Stubber(client) as stub:
            stub.add_response("get_trail_status", {"IsLogging": True})
            stub.add_response("get_event_selectors", {"EventSelectors": [{}]})
            state = TrailReader(client).state("main")
        assert state.selectors == (BasicSelector(management=True, read_write="All", excluded=()),)


class TestRules:
    def test_a_disabled_a_deleted_and_a_diverted_rule(self, guard: Guard, account: Account) -> None:
        events, (disabled, deleted, diverted, silenced, *_) = account.clients.events, guard.deployed.rules
        events.disable_rule(Name=disabled)
        for rule in (deleted, diverted, silenced):
            ids = [target["Id"] for target in events.list_targets_by_rule(Rule=rule)["Targets"]]
            events.remove_targets(Rule=rule, Ids=ids)
        events.delete_rule(Name=deleted)
        elsewhere = f"{guard.deployed.functions[0]}-not"
        events.put_targets(Rule=diverted, Targets=[{"Id": "UserEventFunction", "Arn": elsewhere}])
        found = guard.check("rules")
        assert found.verdict is Verdict.PROBLEM
        assert [part.split(" ", 1)[0] for part in found.reason.partition(": ")[2].split("; ")] == [
            disabled,
            deleted,
            diverted,
            silenced,
        ]

    def test_rules_of_another_stack_are_not_read(self, guard: Guard, account: Account) -> None:
        account.clients.events.put_rule(Name=f"{guard.deployed.name_prefix}-two-x", EventPattern='{"source":["x"]}')
        assert guard.check("rules").verdict is Verdict.FINE
        assert guard.faults.made.count("ListTargetsByRule") == len(guard.deployed.rules)


class TestTopics:
    def test_a_topic_without_a_subscription_is_its_own_problem(self, guard: Guard, account: Account) -> None:
        topic = guard.deployed.settings.notices_topic_arn
        for each in account.clients.sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]:
            account.clients.sns.unsubscribe(SubscriptionArn=each["SubscriptionArn"])
        found = guard.checks()
        assert found["notices topic"].verdict is Verdict.PROBLEM
        assert found["operations topic"].verdict is Verdict.FINE

    def test_every_page_is_read(self) -> None:
        client = stubbed_session().client("sns")
        with Stubber(client) as stub:
            for arn, token in (("PendingConfirmation", {"NextToken": "2"}), ("Deleted", {})):
                page = {"Subscriptions": [{"SubscriptionArn": arn}], **token}
                stub.add_response("list_subscriptions_by_topic", page)
            found = TopicReader(client).subscriptions("arn:aws:sns:us-east-1:111122223333:notices")
        assert found == ("PendingConfirmation", "Deleted")

    def test_a_deleted_topic_is_a_problem(self, guard: Guard, account: Account) -> None:
        account.clients.sns.delete_topic(TopicArn=guard.deployed.settings.operations_topic_arn)
        assert guard.check("operations topic").verdict is Verdict.PROBLEM


class TestQueue:
    def test_messages_count_while_they_are_being_read(self, guard: Guard, account: Account) -> None:
        url = guard.deployed.queue_url
        for body in ("one", "two"):
            account.clients.sqs.send_message(QueueUrl=url, MessageBody=body)
        account.clients.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=1)
        found = guard.check("dead-letter queue")
        assert (found.verdict, found.reason) == (Verdict.PROBLEM, "Events that could not be handled: 2.")

    def test_a_deleted_queue_is_a_problem(self, guard: Guard, account: Account) -> None:
        account.clients.sqs.delete_queue(QueueUrl=guard.deployed.queue_url)
        assert guard.check("dead-letter queue").verdict is Verdict.PROBLEM


class TestPolicyAndGroup:
    WEAKER = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}})

    def test_another_policy_version_is_a_problem_until_it_is_reverted(self, guard: Guard, account: Account) -> None:
        arn = guard.deployed.settings.policy_arn
        account.clients.iam.create_policy_version(PolicyArn=arn, PolicyDocument=self.WEAKER)
        assert guard.check("enforcement policy").verdict is Verdict.FINE
        account.clients.iam.set_default_policy_version(PolicyArn=arn, VersionId="v2")
        found = guard.check("enforcement policy")
        assert (found.verdict, "v2" in found.reason) == (Verdict.PROBLEM, True)
        account.clients.iam.set_default_policy_version(PolicyArn=arn, VersionId="v1")
        assert guard.check("enforcement policy").verdict is Verdict.FINE

    def test_any_other_policy_of_the_group_is_a_problem(self, guard: Guard, account: Account) -> None:
        iam, group = account.clients.iam, guard.deployed.settings.group_name
        other = iam.create_policy(PolicyName="Other", PolicyDocument=self.WEAKER)["Policy"]["Arn"]
        iam.attach_group_policy(GroupName=group, PolicyArn=other)
        iam.put_group_policy(GroupName=group, PolicyName="inline", PolicyDocument=self.WEAKER)
        found = guard.check("enforcement group")
        assert found.reason == f"The group has other policies, which apply to every member: {other}, inline."

    def test_a_deleted_policy_or_group_is_a_problem(self, guard: Guard, account: Account) -> None:
        iam, chosen = account.clients.iam, guard.deployed.settings
        iam.detach_group_policy(GroupName=chosen.group_name, PolicyArn=chosen.policy_arn)
        assert "lacks the enforcement policy" in guard.check("enforcement group").reason
        iam.delete_group(GroupName=chosen.group_name)
        iam.delete_policy(PolicyArn=chosen.policy_arn)
        found = guard.checks()
        assert [each.name for each in problems(found.values())] == ["enforcement policy", "enforcement group", "root"]


@pytest.mark.parametrize(
    ("summary", "root"),
    [
        ({"AccountMFAEnabled": 1, "AccountAccessKeysPresent": 0}, Root(mfa=True, keys=False, password=True)),
        ({"AccountMFAEnabled": 0, "AccountAccessKeysPresent": 1}, Root(mfa=False, keys=True, password=True)),
        (
            {"AccountMFAEnabled": 0, "AccountAccessKeysPresent": 0, "AccountPasswordPresent": 0},
            Root(mfa=False, keys=False, password=False),
        ),
    ],
)
def test_root_is_what_the_account_summary_says(summary: dict[str, int], root: Root) -> None:
    client = stubbed_session().client("iam")
    with Stubber(client) as stub:
        stub.add_response("get_account_summary", {"SummaryMap": summary})
        assert IamReader(client).root() == root


def test_a_stack_without_termination_protection_is_advised_to_have_it(guard: Guard) -> None:
    boto3.client("cloudformation").delete_stack(StackName=guard.deployed.stack_name)
    create_stack(guard.deployed.stack_name, protected=False)
    assert guard.check("termination protection").label == "advice"


def test_a_stack_that_cannot_be_found_is_unverifiable(guard: Guard) -> None:
    other = replace(guard.deployed, stack_name="other")
    assert isinstance(guard.health.read(other).termination_protection, Unread)
