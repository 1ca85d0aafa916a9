"""Reads of the guard's own parts on moto, and every read that AWS may refuse."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import boto3
import botocore.session
import pytest
from botocore.exceptions import ConnectTimeoutError
from botocore.stub import Stubber
from moto.dynamodb.models import dynamodb_backends

from mfa_guard.adapters.health import GuardHealth, IamReader, QueueReader, TrailReader
from mfa_guard.adapters.health_parts import (
    FunctionReader,
    RuleReader,
    ScheduleReader,
    StackReader,
    TableReader,
    TopicReader,
)
from mfa_guard.core.emergency_stop import RECORD_ID, RecordedStop, dump_stop
from mfa_guard.core.health.checks import Check, Verdict, judge, problems
from mfa_guard.core.health.content import load_content
from mfa_guard.core.health.deployed import Deployed, parse_deployed
from mfa_guard.core.health.readings import Root, Subscription, Subscriptions, Unread
from mfa_guard.core.health.trail_selectors import AdvancedSelector, BasicSelector, FieldFilter, TrailState
from mfa_guard.core.settings import parse_settings
from mfa_guard.core.trails import known_trails
from mfa_guard_cli.stack.template import Stack
from mfa_guard_emulator.aws.resources import create_all
from support.account import Account
from support.aws import Faults
from support.factories import NOW
from support.stack_resources import list_resources
from support.upkeep import CHECKED

if TYPE_CHECKING:
    from mypy_boto3_cloudtrail import CloudTrailClient
    from mypy_boto3_iam import IAMClient

READERS = (
    FunctionReader,
    IamReader,
    QueueReader,
    RuleReader,
    ScheduleReader,
    StackReader,
    TableReader,
    TopicReader,
    TrailReader,
)
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
    "GetFunctionConcurrency": "functions",
    "GetFunctionEventInvokeConfig": "functions",
    "GetEventSourceMapping": "exemption changes",
    "DescribeTable": "exemption changes",
    "GetSchedule": "schedule",
    "GetTopicAttributes": "topic policies",
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
    hidden: set[str]

    @property
    def rule_names(self) -> tuple[str, ...]:
        names = self.deployed.names("AWS::Events::Rule")
        assert not isinstance(names, Unread)
        return names

    def checks(self) -> dict[str, Check]:
        return {check.name: check for check in judge(self.health.read(self.deployed), self.deployed)}

    def check(self, name: str) -> Check:
        return self.checks()[name]


@pytest.fixture
def guard(account: Account, stack: Stack) -> Guard:
    """Return a guard in which all is fine except root, which cannot have MFA in moto."""
    chosen = parse_settings(stack.environment("UserEventFunction"))
    create_all(account.clients, stack, CHECKED)
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
    cloudformation = watched(boto3.client("cloudformation"))
    hidden = set[str]()
    list_resources(cloudformation.meta.events, stack, hidden)
    health = GuardHealth(
        iam=iam,
        events=watched(boto3.client("events")),
        sns=watched(boto3.client("sns")),
        sqs=watched(boto3.client("sqs")),
        functions=watched(boto3.client("lambda")),
        scheduler=watched(boto3.client("scheduler")),
        dynamodb=watched(boto3.client("dynamodb")),
        cloudformation=cloudformation,
        cloudtrail=lambda region: regions.get(region) or boto3.client("cloudtrail", region_name=region),
        workers=4,
    )
    own_arn = str(stack.resolve({"Fn::GetAtt": ["SweepFunction", "Arn"]}))
    deployed = parse_deployed(stack.environment("SweepFunction"), chosen, own_arn, load_content())
    return Guard(deployed, health, iam, home, faults, hidden)


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

    @pytest.mark.parametrize(
        ("operation", "names"),
        [
            ("ListSubscriptionsByTopic", ["notices topic", "operations topic"]),
            ("GetSubscriptionAttributes", ["notices topic", "operations topic"]),
            ("ListStackResources", ["rules", "topic policies", "functions", "exemption changes", "schedule"]),
        ],
    )
    def test_a_refused_read_that_several_checks_need_makes_each_of_them_unverifiable(
        self, guard: Guard, operation: str, names: list[str]
    ) -> None:
        guard.faults.failing = {operation: "AuthorizationError"}
        found = guard.checks()
        assert [name for name, each in found.items() if each.verdict is Verdict.CANNOT_VERIFY] == names
        assert [each.name for each in problems(found.values())] == ["root"]

    def test_without_the_record_of_an_emergency_stop_every_check_is_made(self, guard: Guard) -> None:
        before = guard.checks()
        guard.faults.failing = {"GetItem": "AccessDenied"}
        assert guard.checks() == before

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

    def test_every_trail_is_read_because_alerts_about_each_differ(self, guard: Guard) -> None:
        second, third = trail("second"), trail("third")
        boto3.client("cloudtrail").stop_logging(Name="third")
        read = guard.health.read(guard.deployed).trails
        assert not isinstance(read, Unread)
        known = known_trails(read, "us-east-1", NOW)
        assert (second in known.feeding, list(known.others)) == (True, [third])
        assert len(known.feeding) == 2

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
        events, (disabled, deleted, diverted, silenced, *_) = account.clients.events, guard.rule_names
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

    def test_if_both_watchers_are_disabled_the_next_sweep_says_so(self, guard: Guard, account: Account) -> None:
        # Each reports the other only while it is enabled itself.
        for rule in ("mfa-guard-rule-tampering", "mfa-guard-rule-watch"):
            account.clients.events.disable_rule(Name=rule)
        found = guard.check("rules")
        assert found.verdict is Verdict.PROBLEM
        assert "mfa-guard-rule-tampering is DISABLED" in found.reason
        assert "mfa-guard-rule-watch is DISABLED" in found.reason

    def test_the_targets_of_another_rule_with_the_prefix_are_not_read(self, guard: Guard, account: Account) -> None:
        account.clients.events.put_rule(Name=f"{guard.deployed.name_prefix}-two-x", EventPattern='{"source":["x"]}')
        account.clients.events.put_rule(Name=f"{guard.deployed.name_prefix}-two-y", ScheduleExpression="rate(1 day)")
        assert guard.check("rules").label == "advice"
        assert guard.faults.made.count("ListTargetsByRule") == len(guard.rule_names)

    def test_an_emergency_stop_is_named(self, guard: Guard, account: Account) -> None:
        disabled, *_ = guard.rule_names
        account.clients.events.disable_rule(Name=disabled)
        stop = RecordedStop((("rule", disabled),), datetime(2026, 11, 24, tzinfo=UTC), "arn:aws:iam::1:user/admin")
        for text, named in ((dump_stop(stop), True), ("{}", False)):
            item = {"id": {"S": RECORD_ID}, "stopped": {"S": text}}
            account.clients.dynamodb.put_item(TableName=guard.deployed.settings.state_table, Item=item)
            found = guard.check("rules")
            assert (found.verdict, "emergency stop was recorded" in found.reason) == (Verdict.PROBLEM, named)


class TestTopics:
    def test_a_topic_without_a_subscription_is_its_own_problem(self, guard: Guard, account: Account) -> None:
        topic = guard.deployed.settings.notices_topic_arn
        for each in account.clients.sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]:
            account.clients.sns.unsubscribe(SubscriptionArn=each["SubscriptionArn"])
        found = guard.checks()
        assert found["notices topic"].verdict is Verdict.PROBLEM
        assert found["operations topic"].verdict is Verdict.FINE

    def test_a_second_subscription_with_a_filter_is_advice(self, guard: Guard, account: Account) -> None:
        account.clients.sns.subscribe(
            TopicArn=guard.deployed.settings.notices_topic_arn,
            Protocol="https",
            Endpoint="https://example.com/pager",
            Attributes={"FilterPolicy": '{"severity": ["critical"]}'},
        )
        assert guard.check("notices topic").label == "advice"

    @pytest.mark.parametrize(
        ("policy", "filtered"), [("{}", False), ("{ }", False), (None, False), ('{"a":["b"]}', True)]
    )
    def test_an_empty_filter_policy_filters_nothing(self, policy: str | None, *, filtered: bool) -> None:
        arn = "arn:aws:sns:us-east-1:111122223333:notices:1"
        client = stubbed_session().client("sns")
        with Stubber(client) as stub:
            page = {"Subscriptions": [{"SubscriptionArn": arn, "Protocol": "email"}]}
            stub.add_response("list_subscriptions_by_topic", page)
            attributes = {"RawMessageDelivery": "true", **({} if policy is None else {"FilterPolicy": policy})}
            stub.add_response("get_subscription_attributes", {"Attributes": attributes}, {"SubscriptionArn": arn})
            found = TopicReader(client).subscriptions("arn:aws:sns:us-east-1:111122223333:notices")
        assert found == Subscriptions((Subscription("email", filtered=filtered),), 0)

    def test_every_page_is_read(self) -> None:
        client = stubbed_session().client("sns")
        with Stubber(client) as stub:
            for arn, token in (("PendingConfirmation", {"NextToken": "2"}), ("Deleted", {})):
                page = {"Subscriptions": [{"SubscriptionArn": arn}], **token}
                stub.add_response("list_subscriptions_by_topic", page)
            found = TopicReader(client).subscriptions("arn:aws:sns:us-east-1:111122223333:notices")
        assert found == Subscriptions((), 1)

    def test_a_subscription_that_was_deleted_since_it_was_listed_does_not_count(self) -> None:
        client = stubbed_session().client("sns")
        with Stubber(client) as stub:
            page = {"Subscriptions": [{"SubscriptionArn": "arn:aws:sns:us-east-1:111122223333:notices:1"}]}
            stub.add_response("list_subscriptions_by_topic", page)
            stub.add_client_error("get_subscription_attributes", "NotFound")
            found = TopicReader(client).subscriptions("arn:aws:sns:us-east-1:111122223333:notices")
        assert found == Subscriptions((), 0)

    def test_a_deleted_topic_is_a_problem(self, guard: Guard, account: Account) -> None:
        account.clients.sns.delete_topic(TopicArn=guard.deployed.settings.operations_topic_arn)
        assert guard.check("operations topic").verdict is Verdict.PROBLEM


class Change(NamedTuple):
    """What an actor does to a part of the guard, and the one check that must then be a problem, with these words."""

    what: str
    check: str
    words: str
    do: Callable[["Guard", Account], object]


def _first_rule(guard: Guard) -> str:
    return guard.rule_names[0]


def _put_dead_pattern(guard: Guard, account: Account) -> None:
    account.clients.events.put_rule(Name=_first_rule(guard), EventPattern='{"source": ["aws.never"]}')


def _constant_input(guard: Guard, account: Account) -> None:
    events, rule = account.clients.events, _first_rule(guard)
    [target] = events.list_targets_by_rule(Rule=rule)["Targets"]
    events.put_targets(Rule=rule, Targets=[{**target, "Input": "{}"}])


def _filter_all(guard: Guard, account: Account) -> None:
    sns, topic = account.clients.sns, guard.deployed.settings.notices_topic_arn
    for each in sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]:
        sns.set_subscription_attributes(
            SubscriptionArn=each["SubscriptionArn"], AttributeName="FilterPolicy", AttributeValue='{"x": ["never"]}'
        )


def _open_topic(guard: Guard, account: Account) -> None:
    policy = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sns:Publish", "Resource": "*"}]}
    account.clients.sns.set_topic_attributes(
        TopicArn=guard.deployed.settings.notices_topic_arn, AttributeName="Policy", AttributeValue=json.dumps(policy)
    )


def _mapping_id(account: Account) -> str:
    return account.stack.physical_id("AlertFunctionExemptionChanged")


def _new_stream(guard: Guard, account: Account) -> None:
    # A stream that is turned off and on is a new one. moto refuses to turn it on again.
    table = dynamodb_backends[account.stack.account][account.stack.region].tables[
        guard.deployed.settings.exemptions_table
    ]
    table.latest_stream_label = "2026-11-24T12:00:00.000"


def _change_schedule(account: Account, **changes: object) -> None:
    scheduler = account.clients.any("scheduler")
    found = scheduler.get_schedule(Name="mfa-guard-sweep")
    kept = {name: found[name] for name in ("Name", "FlexibleTimeWindow", "ScheduleExpression", "Target", "State")}
    scheduler.update_schedule(**{**kept, **changes})


def _lambda(account: Account, function: str, operation: str, **parameters: object) -> None:
    call = getattr(account.clients.any("lambda"), operation)
    call(FunctionName=account.stack.physical_id(function), **parameters)


CHANGES = (
    Change("disables a rule", "rules", "DISABLED", lambda g, a: a.clients.events.disable_rule(Name=_first_rule(g))),
    Change("gives a rule a dead pattern", "rules", "another pattern", _put_dead_pattern),
    Change("gives a target a constant input", "rules", "another Input", _constant_input),
    Change("filters every subscription", "notices topic", "filter policy", _filter_all),
    Change("lets everyone publish", "topic policies", "OnlyTheGuardPublishes", _open_topic),
    Change(
        "turns the mapping off",
        "exemption changes",
        "Disabled",
        lambda _, a: a.clients.any("lambda").update_event_source_mapping(UUID=_mapping_id(a), Enabled=False),
    ),
    Change(
        "deletes the mapping",
        "exemption changes",
        "ResourceNotFoundException",
        lambda _, a: a.clients.any("lambda").delete_event_source_mapping(UUID=_mapping_id(a)),
    ),
    Change(
        "filters the mapping",
        "exemption changes",
        "filter criteria",
        lambda _, a: a.clients.any("lambda").update_event_source_mapping(
            UUID=_mapping_id(a), FilterCriteria={"Filters": [{"Pattern": '{"eventName": ["NEVER"]}'}]}
        ),
    ),
    Change("replaces the table's stream", "exemption changes", "another stream", _new_stream),
    Change(
        "turns the table's stream off",
        "exemption changes",
        "stream is off",
        lambda g, a: a.clients.dynamodb.update_table(
            TableName=g.deployed.settings.exemptions_table, StreamSpecification={"StreamEnabled": False}
        ),
    ),
    Change(
        "switches a function off",
        "functions",
        "concurrency 0",
        lambda _, a: _lambda(a, "AlertFunction", "put_function_concurrency", ReservedConcurrentExecutions=0),
    ),
    Change(
        "diverts failed events",
        "functions",
        "nowhere",
        lambda _, a: _lambda(a, "UserEventFunction", "put_function_event_invoke_config", MaximumRetryAttempts=2),
    ),
    Change(
        "deletes the configuration of failed events",
        "functions",
        "no configuration",
        lambda _, a: _lambda(a, "SweepFunction", "delete_function_event_invoke_config"),
    ),
    Change(
        "deletes a function",
        "functions",
        "TeardownFunction",
        lambda _, a: _lambda(a, "TeardownFunction", "delete_function"),
    ),
    Change("disables the schedule", "schedule", "DISABLED", lambda _, a: _change_schedule(a, State="DISABLED")),
    Change(
        "makes sweeps rare",
        "schedule",
        "rate(365 days)",
        lambda _, a: _change_schedule(a, ScheduleExpression="rate(365 days)"),
    ),
    Change(
        "deletes the schedule",
        "schedule",
        "ResourceNotFoundException",
        lambda _, a: a.clients.any("scheduler").delete_schedule(Name="mfa-guard-sweep"),
    ),
)


class TestEveryPart:
    @pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.what)
    def test_a_change_makes_its_own_check_a_problem_and_no_other(
        self, guard: Guard, account: Account, change: Change
    ) -> None:
        before = guard.checks()
        change.do(guard, account)
        after = guard.checks()
        assert after == before | {change.check: after[change.check]}
        assert (after[change.check].label, change.words in after[change.check].reason) == ("problem", True)

    def test_every_comparison_of_content_has_a_change(self) -> None:
        assert {change.check for change in CHANGES} == {
            "rules",
            "notices topic",
            "topic policies",
            "exemption changes",
            "functions",
            "schedule",
        }

    def test_a_stack_without_the_mapping_has_a_problem(self, guard: Guard) -> None:
        guard.hidden.add("AlertFunctionExemptionChanged")
        found = guard.check("exemption changes")
        assert (found.verdict, found.reason) == (Verdict.PROBLEM, "The stack has no event source mapping.")

    def test_with_the_content_of_another_version_no_name_is_known(self, guard: Guard) -> None:
        unknown = replace(guard.deployed, content=Unread("Another version"))
        readings = guard.health.read(unknown)
        assert readings.rules == readings.schedule == Unread("Another version")


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
