"""The resources of the stack, except for its rules' patterns, its policy, and its roles' permissions."""

import json
import re
from collections.abc import Mapping
from datetime import time, timedelta
from itertools import product
from typing import Final, cast

import pytest

from mfa_guard.core.metrics import Gauge, Metric
from mfa_guard.core.settings import parse_settings
from mfa_guard.core.sweep_memory import DIGEST_TIME
from mfa_guard.core.sweep_request import parse_sweep_request
from mfa_guard.runtime.observability import METRICS
from mfa_guard_cli.stack.event_pattern import index
from mfa_guard_cli.stack.intrinsics import TemplateError
from mfa_guard_cli.stack.template import Resource, Stack, load_template

Fields = Mapping[str, object]
# The functions that EventBridge invokes.
FUNCTIONS = ("UserEventFunction", "AlertFunction", "SweepFunction")
TEMPLATE = load_template()


# CloudFormation's limit for the name of a stack, and the template's for the prefix.
LONGEST_STACK_NAME = "s" * 128
LONGEST_PREFIX = "p" * 20


@pytest.fixture(scope="module")
def stack() -> Stack:
    return TEMPLATE.render(stack_name=LONGEST_STACK_NAME, parameters={"NamePrefix": LONGEST_PREFIX})


def of_type(stack: Stack, kind: str) -> list[Resource]:
    return [resource for resource in stack.resources.values() if resource.type == kind]


def fields(value: object) -> Fields:
    return cast("Fields", value)


class TestRegions:
    @pytest.mark.parametrize("region", ["us-east-1", "us-gov-west-1", "cn-north-1"])
    def test_it_deploys_where_iams_events_arrive(self, region: str) -> None:
        assert TEMPLATE.render(region=region).region == region

    @pytest.mark.parametrize("region", ["us-west-2", "eu-central-1", "us-gov-east-1", "cn-northwest-1"])
    def test_it_refuses_other_regions(self, region: str) -> None:
        with pytest.raises(TemplateError, match="us-east-1"):
            TEMPLATE.render(region=region)


class TestParameters:
    DECLARED = TEMPLATE.section("Parameters")

    def test_every_parameter_has_a_default_a_description_and_limits(self) -> None:
        for name, declaration in self.DECLARED.items():
            assert {"Default", "Description"} <= set(declaration), name
            assert {"AllowedValues", "AllowedPattern", "MaxValue"} & set(declaration), name

    def test_every_parameter_has_a_group_and_a_label(self) -> None:
        interface = fields(TEMPLATE.section("Metadata")["AWS::CloudFormation::Interface"])
        grouped = [name for group in interface["ParameterGroups"] for name in group["Parameters"]]  # type: ignore[attr-defined]
        assert sorted(grouped) == sorted(self.DECLARED) == sorted(fields(interface["ParameterLabels"]))

    def test_the_defaults(self) -> None:
        defaults = {name: declaration["Default"] for name, declaration in self.DECLARED.items()}
        assert defaults == {
            "AlertEmail": "",
            "OperationsEmail": "",
            "HelpUrl": "",
            "Mode": "events",
            "EnforceThrough": "user",
            "SweepEveryHours": 1,
            "DeactivateKeysAfterDays": 0,
            "EnforceOn": "all",
            "WorkingMachineUsers": "review",
            "ExemptPathPrefixes": "",
            "AllowPasswordChangeWithoutMfa": "yes",
            "AllowEnrollmentWithAccessKeys": "yes",
            "MaxConcurrency": 0,
            "LogRetentionDays": 365,
            "LogLevel": "INFO",
            "NamePrefix": "mfa-guard",
        }

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("AlertEmail", "not-an-address"),
            ("AlertEmail", "a@b.c,d@e.f g"),
            ("HelpUrl", "http://example.com"),
            ("HelpUrl", "https://example.com/a b"),
            ("ExemptPathPrefixes", "/"),
            ("ExemptPathPrefixes", "/service"),
            ("ExemptPathPrefixes", "service/"),
            ("ExemptPathPrefixes", "/a/,/"),
            ("ExemptPathPrefixes", "//"),
            ("Mode", "off"),
            ("SweepEveryHours", "0"),
            ("SweepEveryHours", "5"),
            ("SweepEveryHours", "48"),
            ("LogRetentionDays", "2"),
            ("NamePrefix", ""),
            ("NamePrefix", "guard-"),
            ("NamePrefix", "my guard"),
            ("NamePrefix", "p" * 21),
        ],
    )
    def test_an_invalid_value_is_refused(self, name: str, value: str) -> None:
        with pytest.raises(TemplateError, match=name):
            TEMPLATE.render(parameters={name: value})

    @pytest.mark.parametrize("prefixes", ["/service/", "/a/b/,/c/", "/x+=.@-_/"])
    def test_the_functions_accept_the_paths_that_the_template_accepts(self, prefixes: str) -> None:
        rendered = TEMPLATE.render(parameters={"ExemptPathPrefixes": prefixes})
        chosen = parse_settings(rendered.environment("UserEventFunction"))
        assert chosen.exempt_path_prefixes == tuple(prefixes.split(","))

    @pytest.mark.parametrize("function", FUNCTIONS)
    def test_the_functions_accept_every_combination_of_choices(self, function: str) -> None:
        choices = {
            name: declaration["AllowedValues"]
            for name, declaration in self.DECLARED.items()
            if name in {"Mode", "EnforceThrough", "EnforceOn", "WorkingMachineUsers"}
        }
        for values in product(*choices.values()):  # type: ignore[call-overload]
            chosen = dict(zip(choices, values, strict=True))
            assert parse_settings(TEMPLATE.render(parameters=chosen).environment(function)).mode == chosen["Mode"]


EVERY: Final = (1, 2, 3, 4, 6, 8, 12, 24)


def swept_every(hours: int) -> Stack:
    return TEMPLATE.render(parameters={"SweepEveryHours": str(hours)})


def hours_of(expression: str) -> list[int]:
    """Return the hours at which a schedule fires, at minute 0 of every day.

    A rate would fire when the schedule is created. In the field of hours, 2/4 means every fourth hour from 2 on.
    """
    match = re.fullmatch(r"cron\(0 (?:(\*)|(\d+)(?:/(\d+))?) \* \* \? \*\)", expression)
    assert match, expression
    every, first, step = match.groups()
    if every:
        return list(range(24))
    return list(range(int(first), 24, int(step))) if step else [int(first)]


class TestSweep:
    def test_the_schedule_sends_what_the_function_understands(self, stack: Stack) -> None:
        [schedule] = of_type(stack, "AWS::Scheduler::Schedule")
        target = fields(schedule.properties["Target"])
        assert target["Arn"] == stack.resolve({"Fn::GetAtt": ["SweepFunction", "Arn"]})
        request = parse_sweep_request(json.loads(str(target["Input"])))
        assert (request.audit, request.scheduled) == (False, True)

    @pytest.mark.parametrize("every", EVERY)
    def test_it_sweeps_every_so_many_hours_and_when_a_digest_is_due(self, every: int) -> None:
        [schedule] = of_type(swept_every(every), "AWS::Scheduler::Schedule")
        hours = hours_of(str(schedule.properties["ScheduleExpression"]))
        assert [(later - hour) % 24 or 24 for hour, later in zip(hours, [*hours[1:], hours[0]], strict=True)] == [
            every
        ] * (24 // every)
        assert time(6) == DIGEST_TIME
        assert DIGEST_TIME.hour in hours

    @pytest.mark.parametrize("every", EVERY)
    def test_the_function_knows_the_hours(self, every: int) -> None:
        chosen = parse_settings(swept_every(every).environment("SweepFunction"))
        assert chosen.sweep_every == timedelta(hours=every)

    def test_the_output_start_sweep_invokes_the_function(self, stack: Stack) -> None:
        entries = json.loads(stack.outputs()["StartSweep"].split("--entries ")[1].strip("'"))
        [entry] = entries
        event = {"id": "1", "source": entry["Source"], "detail-type": entry["DetailType"]}
        assert [rule.functions for rule in index(stack.rules())(event)] == [("SweepFunction",)]
        assert parse_sweep_request({**event, "detail": json.loads(entry["Detail"])})

    def test_changes_of_exemptions_reach_the_alert_function(self, stack: Stack) -> None:
        stream = stack.resolve({"Fn::GetAtt": ["ExemptionsTable", "StreamArn"]})
        [mapping] = [
            each
            for each in of_type(stack, "AWS::Lambda::EventSourceMapping")
            if each.properties["EventSourceArn"] == stream
        ]
        assert mapping.properties["FunctionName"] == stack.physical_id("AlertFunction")


class TestStorms:
    def test_the_end_of_a_window_reaches_the_alert_function(self, stack: Stack) -> None:
        queue = stack.resolve({"Fn::GetAtt": ["SummaryQueue", "Arn"]})
        mappings = of_type(stack, "AWS::Lambda::EventSourceMapping")
        [mapping] = [each for each in mappings if each.properties["EventSourceArn"] == queue]
        assert mapping.properties["FunctionName"] == stack.physical_id("AlertFunction")

    def test_a_summary_that_fails_again_and_again_is_a_dead_letter(self, stack: Stack) -> None:
        queue = stack.resource("SummaryQueue").properties
        dead_letters = stack.resolve({"Fn::GetAtt": ["DeadLetterQueue", "Arn"]})
        assert queue["RedrivePolicy"] == {"deadLetterTargetArn": dead_letters, "maxReceiveCount": 5}
        # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
        timeout = stack.resource("AlertFunction").properties["Timeout"]
        assert queue["VisibilityTimeout"] == 6 * timeout  # type: ignore[operator]

    @pytest.mark.parametrize(("value", "reserved"), [("0", None), ("5", 5), ("100", 100)])
    def test_only_the_user_event_function_has_reserved_concurrency(self, value: str, reserved: int | None) -> None:
        rendered = TEMPLATE.render(parameters={"MaxConcurrency": value})
        found = {
            each.logical_id: int(str(each.properties["ReservedConcurrentExecutions"]))
            for each in of_type(rendered, "AWS::Lambda::Function")
            if "ReservedConcurrentExecutions" in each.properties
        }
        assert found == ({"UserEventFunction": reserved} if reserved else {})
        assert rendered.environment("SweepFunction")["MAX_CONCURRENCY"] == value

    @pytest.mark.parametrize("metric", ["AsyncEventAge", "AsyncEventsDropped"])
    def test_a_backlog_of_events_raises_an_alarm(self, stack: Stack, metric: str) -> None:
        [alarm] = [a for a in of_type(stack, "AWS::CloudWatch::Alarm") if a.properties.get("MetricName") == metric]
        assert alarm.properties["Dimensions"] == [
            {"Name": "FunctionName", "Value": stack.physical_id("UserEventFunction")}
        ]


class TestSubscriptions:
    def test_without_addresses_there_is_none_and_an_output_says_how_to_subscribe(self, stack: Stack) -> None:
        assert of_type(stack, "AWS::SNS::Subscription") == []
        assert "aws sns subscribe" in stack.outputs()["HowToSubscribe"]

    def test_each_address_subscribes_to_its_topic(self) -> None:
        rendered = TEMPLATE.render(parameters={"AlertEmail": "a@example.com", "OperationsEmail": "o@example.com"})
        found = {
            (each.properties["Endpoint"], each.properties["TopicArn"])
            for each in of_type(rendered, "AWS::SNS::Subscription")
        }
        assert found == {
            ("a@example.com", rendered.resolve({"Ref": "NoticesTopic"})),
            ("o@example.com", rendered.resolve({"Ref": "OperationsTopic"})),
        }


class TestFunctions:
    @pytest.mark.parametrize("function", FUNCTIONS)
    def test_each_has_its_runtime_and_architecture_and_no_reserved_concurrency(
        self, stack: Stack, function: str
    ) -> None:
        properties = stack.resource(function).properties
        assert (properties["Runtime"], properties["Architectures"]) == ("python3.13", ["arm64"])
        assert "ReservedConcurrentExecutions" not in properties

    @pytest.mark.parametrize("function", FUNCTIONS)
    def test_each_has_its_own_role_and_log_group(self, stack: Stack, function: str) -> None:
        properties = stack.resource(function).properties
        assert properties["Role"] == stack.resolve({"Fn::GetAtt": [f"{function}Role", "Arn"]})
        assert fields(properties["LoggingConfig"])["LogGroup"] == stack.physical_id(f"{function}LogGroup")
        assert "RetentionInDays" in stack.resource(f"{function}LogGroup").properties

    def test_an_event_that_fails_after_two_retries_goes_to_the_queue(self, stack: Stack) -> None:
        queue = stack.resolve({"Fn::GetAtt": ["DeadLetterQueue", "Arn"]})
        configured = of_type(stack, "AWS::Lambda::EventInvokeConfig")
        functions = {stack.physical_id(function) for function in FUNCTIONS}
        configured = [each for each in configured if each.properties["FunctionName"] in functions]
        assert len(configured) == len(FUNCTIONS)
        for each in configured:
            assert each.properties["MaximumRetryAttempts"] == 2
            assert fields(fields(each.properties["DestinationConfig"])["OnFailure"])["Destination"] == queue


class TestRules:
    def test_every_pattern_is_within_the_quota_with_the_longest_names(self, stack: Stack) -> None:
        for rule in stack.rules():
            assert len(json.dumps(rule.pattern, separators=(",", ":"))) <= 2048, rule.logical_id

    def test_every_rule_requires_a_source_an_event_source_and_success(self, stack: Stack) -> None:
        for rule in (rule for rule in stack.rules() if rule.logical_id != "SweepFunctionSweepRequested"):
            detail = fields(rule.pattern["detail"])
            assert rule.pattern["source"]
            assert detail["eventSource"]
            assert detail["errorCode"] == [{"exists": False}]
            assert rule.enabled

    def test_every_target_has_eventbridges_default_retries_and_then_the_queue(self, stack: Stack) -> None:
        queue = stack.resolve({"Fn::GetAtt": ["DeadLetterQueue", "Arn"]})
        for resource in of_type(stack, "AWS::Events::Rule"):
            for target in resource.properties["Targets"]:  # type: ignore[attr-defined]
                assert target["DeadLetterConfig"] == {"Arn": queue}
                assert "RetryPolicy" not in target


# By resource type: the property that names the resource, and the service's limit for the name.
# https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html
# https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html (and API_PutDashboard)
# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html
# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutQueryDefinition.html
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
NAMES = {
    "AWS::Events::Rule": ("Name", 64),
    "AWS::Scheduler::Schedule": ("Name", 64),
    "AWS::CloudWatch::Alarm": ("AlarmName", 255),
    "AWS::CloudWatch::Dashboard": ("DashboardName", 255),
    "AWS::Logs::LogGroup": ("LogGroupName", 512),
    "AWS::Logs::QueryDefinition": ("Name", 255),
    "AWS::IAM::ManagedPolicy": ("ManagedPolicyName", 128),
    "AWS::IAM::Group": ("GroupName", 128),
}
# Names that never change, because IAM does not delete a policy that is attached.
FIXED = {"EnforcementPolicy", "EnforcementGroup"}


class TestNames:
    @pytest.mark.parametrize("kind", NAMES)
    def test_every_name_is_within_its_services_limit(self, stack: Stack, kind: str) -> None:
        key, limit = NAMES[kind]
        resources = of_type(stack, kind)
        assert resources
        for resource in resources:
            assert len(str(resource.properties[key])) <= limit, resource.logical_id

    def test_every_type_of_named_resource_is_tested(self, stack: Stack) -> None:
        keys = {"Name", "RoleName", "PolicyName", "FunctionName", "TableName", "TopicName", "QueueName"}
        keys |= {key for key, _ in NAMES.values()}
        named = {each.type for each in stack.resources.values() if keys & set(each.properties)}
        # These name the function that they belong to.
        assert named - set(NAMES) <= {
            "AWS::Lambda::Permission",
            "AWS::Lambda::EventInvokeConfig",
            "AWS::IAM::Policy",
        } | {"AWS::Lambda::EventSourceMapping"}

    def test_every_name_begins_with_the_prefix_and_none_with_the_stacks_name(self, stack: Stack) -> None:
        for kind, (key, _) in NAMES.items():
            for resource in of_type(stack, kind):
                if resource.logical_id not in FIXED:
                    name = str(resource.properties[key]).removeprefix("/aws/lambda/")
                    assert name.startswith(LONGEST_PREFIX), resource.logical_id
                assert LONGEST_STACK_NAME not in str(resource.properties[key])

    def test_another_prefix_changes_only_names(self) -> None:
        one, other = (json.dumps(_rendered(prefix)) for prefix in ("guard-one", "guard-two"))
        assert one != other
        assert one.replace("guard-one", "guard-two") == other


def _rendered(prefix: str) -> Fields:
    rendered = TEMPLATE.render(parameters={"NamePrefix": prefix})
    return {each.logical_id: each.properties for each in rendered.resources.values()}


class TestTables:
    def test_exemptions_are_retained_and_can_be_restored(self, stack: Stack) -> None:
        raw = fields(TEMPLATE.section("Resources")["ExemptionsTable"])
        assert (raw["DeletionPolicy"], raw["UpdateReplacePolicy"]) == ("Retain", "Retain")
        properties = stack.resource("ExemptionsTable").properties
        assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
        assert properties["KeySchema"] == [{"AttributeName": "user_id", "KeyType": "HASH"}]

    def test_state_expires(self, stack: Stack) -> None:
        properties = stack.resource("StateTable").properties
        assert properties["TimeToLiveSpecification"] == {"AttributeName": "expiration", "Enabled": True}
        assert properties["BillingMode"] == "PAY_PER_REQUEST"


class TestTopics:
    def test_only_the_functions_publish_notices(self, stack: Stack) -> None:
        statements = stack.policy_document("NoticesTopicPolicy")["Statement"]
        roles = [stack.resolve({"Fn::GetAtt": [f"{function}Role", "Arn"]}) for function in FUNCTIONS]
        assert {
            "Sid": "OnlyTheGuardPublishes",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "sns:Publish",
            "Resource": stack.resolve({"Ref": "NoticesTopic"}),
            "Condition": {"ArnNotEquals": {"aws:PrincipalArn": roles}},
        } in statements  # type: ignore[operator]
        assert stack.resource("NoticesTopic").properties["KmsMasterKeyId"] == "alias/aws/sns"

    def test_alarms_reach_the_operations_topic(self, stack: Stack) -> None:
        topic = stack.resolve({"Ref": "OperationsTopic"})
        alarms = of_type(stack, "AWS::CloudWatch::Alarm")
        assert alarms
        assert all(alarm.properties["AlarmActions"] == [topic] for alarm in alarms)
        assert "KmsMasterKeyId" not in stack.resource("OperationsTopic").properties


class TestAlarms:
    def test_they_watch_metrics_that_the_functions_emit(self, stack: Stack) -> None:
        own = [
            a.properties for a in of_type(stack, "AWS::CloudWatch::Alarm") if a.properties["Namespace"] == "MfaGuard"
        ]
        assert {each["MetricName"] for each in own} <= {metric.value for metric in (*Metric, *Gauge)}
        assert {each["Namespace"] for each in own} == {METRICS.provider.namespace}
        assert all(each["Dimensions"] == [{"Name": "service", "Value": METRICS.provider.service}] for each in own)

    @pytest.mark.parametrize("function", FUNCTIONS)
    def test_errors_raise_an_alarm_after_the_first_retry(self, stack: Stack, function: str) -> None:
        name = stack.physical_id(function)
        [alarm] = [
            each.properties
            for each in of_type(stack, "AWS::CloudWatch::Alarm")
            if each.properties["MetricName"] == "Errors"
            and {"Name": "FunctionName", "Value": name} in each.properties["Dimensions"]  # type: ignore[operator]
        ]
        # A sweep may fail after 15 minutes, and Lambda retries after one and two minutes.
        window = (60, 60, 2) if function == "SweepFunction" else (60, 5, 2)
        assert (alarm["Period"], alarm["EvaluationPeriods"], alarm["DatapointsToAlarm"]) == window

    @pytest.mark.parametrize("every", EVERY)
    def test_an_alarm_is_raised_two_hours_after_a_sweep_is_due(self, every: int) -> None:
        heartbeat = swept_every(every).resource("HeartbeatAlarm").properties
        assert heartbeat["MetricName"] == Metric.SWEEP_FINISHED
        # With periods of an hour, CloudWatch evaluates at most seven days.
        assert heartbeat["Period"] == 3600
        assert int(str(heartbeat["EvaluationPeriods"])) == int(str(heartbeat["DatapointsToAlarm"])) == every + 2
        assert heartbeat["TreatMissingData"] == "breaching"
        assert f"SweepEveryHours ({every})" in str(heartbeat["AlarmDescription"])

    def test_health_problems_and_failures_of_a_sweep_raise_alarms(self, stack: Stack) -> None:
        watched = {each.properties["MetricName"] for each in of_type(stack, "AWS::CloudWatch::Alarm")}
        assert {Metric.NEW_HEALTH_PROBLEMS, Metric.NEW_SWEEP_FAILURES} <= watched
        assert {Gauge.TRAIL_PROBLEM, Gauge.RULES_PROBLEM, Gauge.NOTICES_TOPIC_PROBLEM} <= watched

    def test_dead_letters_and_failed_enforcement_raise_alarms(self, stack: Stack) -> None:
        watched = {each.properties["MetricName"] for each in of_type(stack, "AWS::CloudWatch::Alarm")}
        assert {"NumberOfMessagesSent", "EnforcementFailed"} <= watched


class TestDashboard:
    def widgets(self, stack: Stack) -> list[Fields]:
        body = json.loads(str(stack.resource("Dashboard").properties["DashboardBody"]))
        return [fields(widget["properties"]) for widget in body["widgets"]]

    def test_it_shows_metrics_that_the_functions_emit(self, stack: Stack) -> None:
        known = {metric.value for metric in (*Metric, *Gauge)} | {"EventsReceived"}
        shown = set()
        for widget in self.widgets(stack):
            namespace = None
            for metric in cast("list[list[object]]", widget.get("metrics", [])):
                namespace = metric[0] if metric[0] not in {".", "..."} else namespace
                if namespace == "MfaGuard":
                    shown.add(metric[1])
        assert shown <= known
        assert {"UsersCompliant", "UsersNoncompliant", "UsersExempt", "EnforcementFailed", "SweepFinished"} <= shown

    def test_it_shows_the_stacks_alarms(self, stack: Stack) -> None:
        [alarms] = [widget["alarms"] for widget in self.widgets(stack) if "alarms" in widget]
        arns = {
            stack.resolve({"Fn::GetAtt": [each.logical_id, "Arn"]}) for each in of_type(stack, "AWS::CloudWatch::Alarm")
        }
        assert set(cast("list[str]", alarms)) == arns

    def test_saved_queries_read_the_functions_logs(self, stack: Stack) -> None:
        groups = {resource.physical_id for resource in of_type(stack, "AWS::Logs::LogGroup")}
        queries = of_type(stack, "AWS::Logs::QueryDefinition")
        assert queries
        for query in queries:
            assert set(cast("list[str]", query.properties["LogGroupNames"])) <= groups


def test_the_emergency_stop_names_every_rule_that_leads_to_the_user_function(stack: Stack) -> None:
    stop = stack.outputs()["EmergencyStop"]
    rules = [rule for rule in stack.rules() if "UserEventFunction" in rule.functions]
    assert rules
    assert all(rule.name in stop for rule in rules)


def test_the_group_has_the_enforcement_policy_and_no_other(stack: Stack) -> None:
    properties = stack.resource("EnforcementGroup").properties
    assert properties["ManagedPolicyArns"] == [stack.resolve({"Ref": "EnforcementPolicy"})]
    assert "Policies" not in properties


@pytest.mark.parametrize("name", ["mfa-guard", "other"])
def test_the_policy_and_the_group_have_the_same_names_in_every_stack(name: str) -> None:
    rendered = TEMPLATE.render(stack_name=name)
    assert rendered.resource("EnforcementPolicy").properties["ManagedPolicyName"] == "EnrollMFADeviceThenSignInAgain"
    assert rendered.resource("EnforcementGroup").properties["GroupName"] == "mfa-guard-enforced"
