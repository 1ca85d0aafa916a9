"""A small guard that is healthy: what it deployed, and what AWS shows of it, each written down on its own."""

from dataclasses import replace

from mfa_guard.core.health.checks import Check, Readings, judge
from mfa_guard.core.health.content import Content
from mfa_guard.core.health.deployed import Deployed
from mfa_guard.core.health.readings import (
    ExemptionStream,
    Fields,
    Function,
    GroupPolicies,
    PolicyVersion,
    Root,
    Rule,
    StackResource,
    Subscription,
    Subscriptions,
    Unread,
)
from mfa_guard.core.health.trail_selectors import BasicSelector, Trail, TrailState
from support.factories import ACCOUNT, POLICY, settings

LAMBDA = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:"
USER_EVENT = "mfa-guard-UserEventFunction-1"
ALERT = "mfa-guard-AlertFunction-2"
TEARDOWN = "mfa-guard-TeardownFunction-4"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/mfa-guard-AlertFunctionRole-3"
QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:dead"
STREAM = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/exemptions/stream/2026-11-24T00:00:00.000"
TRAIL_ARN = f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/main"
SCHEDULE_ROLE = f"arn:aws:iam::{ACCOUNT}:role/mfa-guard-SweepScheduleRole-5"
DENIED = Unread("An error occurred (AccessDenied) when calling the X operation: no")
SETTINGS = settings()

_DESTINATION = {"OnFailure": {"Destination": "${DeadLetterQueue.Arn}"}}


def _rule(name: str, function: str, pattern: Fields) -> Fields:
    target = {"Arn": f"${{{function}.Arn}}", "Id": function, "DeadLetterConfig": {"Arn": "${DeadLetterQueue.Arn}"}}
    properties = {"Name": f"${{NamePrefix}}-{name}", "EventPattern": pattern, "Targets": [target]}
    return {"Type": "AWS::Events::Rule", "Properties": properties}


CONTENT = Content(
    {
        "EnforcementPolicy": {
            "Type": "AWS::IAM::ManagedPolicy",
            "Properties": {
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Sid": "Enroll",
                            "Effect": "Allow",
                            "Action": ["iam:EnableMFADevice", "iam:GetUser"],
                            "Resource": "arn:${AWS::Partition}:iam::${AWS::AccountId}:user/${!aws:username}",
                        },
                        {
                            "Sid": "Block",
                            "Effect": "Deny",
                            "NotAction": [
                                {"Fn::If": ["PasswordChangeIsOpen", "iam:ChangePassword", {"Ref": "AWS::NoValue"}]},
                                "iam:GetUser",
                            ],
                            "Resource": "*",
                            "Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}},
                        },
                    ],
                }
            },
        },
        "AlertFunctionRoleTampering": _rule(
            "role-tampering",
            "AlertFunction",
            {"source": ["aws.iam"], "detail": {"requestParameters": {"roleName": ["${AlertFunctionRole}"]}}},
        ),
        "UserEventFunctionNewUsers": _rule(
            "new-users",
            "UserEventFunction",
            {"source": ["aws.iam"], "detail": {"eventName": ["CreateUser"], "errorCode": [{"exists": False}]}},
        ),
        "NoticesTopicPolicy": {
            "Type": "AWS::SNS::TopicPolicy",
            "Properties": {
                "Topics": ["${NoticesTopic}"],
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Sid": "OnlyTheGuardPublishes",
                            "Effect": "Deny",
                            "Principal": "*",
                            "Action": "sns:Publish",
                            "Resource": "${NoticesTopic}",
                            "Condition": {"ArnNotEquals": {"aws:PrincipalArn": ["${AlertFunctionRole.Arn}"]}},
                        }
                    ],
                },
            },
        },
        "OperationsTopicPolicy": {
            "Type": "AWS::SNS::TopicPolicy",
            "Properties": {
                "Topics": ["${OperationsTopic}"],
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Sid": "AlertFunctionPublishes",
                            "Effect": "Allow",
                            "Principal": {"AWS": "${AlertFunctionRole.Arn}"},
                            "Action": "sns:Publish",
                            "Resource": "${OperationsTopic}",
                        }
                    ],
                },
            },
        },
        "UserEventFunctionEventInvokeConfig": {
            "Type": "AWS::Lambda::EventInvokeConfig",
            "Properties": {
                "FunctionName": "${UserEventFunction}",
                "DestinationConfig": _DESTINATION,
                "MaximumEventAgeInSeconds": 21600,
                "MaximumRetryAttempts": 2,
            },
        },
        "TeardownFunctionEventInvokeConfig": {
            "Type": "AWS::Lambda::EventInvokeConfig",
            "Properties": {
                "FunctionName": "${TeardownFunction}",
                "MaximumEventAgeInSeconds": 3600,
                "MaximumRetryAttempts": 2,
            },
        },
        "AlertFunctionExemptionChanged": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {
                "FunctionName": "${AlertFunction}",
                "BatchSize": 10,
                "BisectBatchOnFunctionError": True,
                "DestinationConfig": _DESTINATION,
                "MaximumRecordAgeInSeconds": 21600,
            },
        },
        "SweepFunctionDaily": {
            "Type": "AWS::Scheduler::Schedule",
            "Properties": {
                "Name": "${NamePrefix}-sweep",
                "FlexibleTimeWindow": {"Mode": "OFF"},
                "Target": {"Arn": "${UserEventFunction.Arn}", "RoleArn": "${SweepScheduleRole.Arn}", "Input": "{}"},
            },
        },
    }
)

RESOURCES = {
    "AlertFunction": StackResource("AWS::Lambda::Function", ALERT),
    "AlertFunctionExemptionChanged": StackResource("AWS::Lambda::EventSourceMapping", "mapping-1"),
    "AlertFunctionRole": StackResource("AWS::IAM::Role", "mfa-guard-AlertFunctionRole-3"),
    "DeadLetterQueue": StackResource("AWS::SQS::Queue", f"https://sqs.us-east-1.amazonaws.com/{ACCOUNT}/dead"),
    "NoticesTopic": StackResource("AWS::SNS::Topic", SETTINGS.notices_topic_arn),
    "OperationsTopic": StackResource("AWS::SNS::Topic", SETTINGS.operations_topic_arn),
    "SweepScheduleRole": StackResource("AWS::IAM::Role", "mfa-guard-SweepScheduleRole-5"),
    "TeardownFunction": StackResource("AWS::Lambda::Function", TEARDOWN),
    "UserEventFunction": StackResource("AWS::Lambda::Function", USER_EVENT),
}

DEPLOYED = Deployed(
    settings=SETTINGS,
    stack_name="mfa-guard",
    name_prefix="mfa-guard",
    functions=(f"{LAMBDA}{USER_EVENT}", f"{LAMBDA}{ALERT}"),
    queue_url=f"https://sqs.us-east-1.amazonaws.com/{ACCOUNT}/dead",
    content=CONTENT,
    true_conditions=frozenset({"PasswordChangeIsOpen"}),
    schedule_expression="rate(1 hour)",
    version="1.0.0",
)

# In the form and the order in which IAM may show it.
DOCUMENT = {
    "Statement": [
        {
            "Sid": "Enroll",
            "Effect": "Allow",
            "Action": ["iam:GetUser", "iam:EnableMFADevice"],
            "Resource": [f"arn:aws:iam::{ACCOUNT}:user/${{aws:username}}"],
        },
        {
            "Sid": "Block",
            "Effect": "Deny",
            "NotAction": ["iam:ChangePassword", "iam:GetUser"],
            "Resource": "*",
            "Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": ["false"]}},
        },
    ],
    "Version": "2012-10-17",
}
RULES = {
    "mfa-guard-role-tampering": Rule(
        "ENABLED",
        {
            "detail": {"requestParameters": {"roleName": ["mfa-guard-AlertFunctionRole-3"]}},
            "source": ["aws.iam"],
        },
        ({"Id": "AlertFunction", "Arn": f"{LAMBDA}{ALERT}", "DeadLetterConfig": {"Arn": QUEUE}},),
    ),
    "mfa-guard-new-users": Rule(
        "ENABLED",
        {"source": ["aws.iam"], "detail": {"errorCode": [{"exists": False}], "eventName": ["CreateUser"]}},
        ({"Id": "UserEventFunction", "Arn": f"{LAMBDA}{USER_EVENT}", "DeadLetterConfig": {"Arn": QUEUE}},),
    ),
}
POLICIES: dict[str, object] = {
    SETTINGS.notices_topic_arn: {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "OnlyTheGuardPublishes",
                "Effect": "Deny",
                "Principal": {"AWS": "*"},
                "Action": "sns:Publish",
                "Resource": SETTINGS.notices_topic_arn,
                "Condition": {"ArnNotEquals": {"aws:PrincipalArn": ROLE}},
            }
        ],
    },
    SETTINGS.operations_topic_arn: {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "AlertFunctionPublishes",
                "Effect": "Allow",
                "Principal": {"AWS": ROLE},
                "Action": "sns:Publish",
                "Resource": SETTINGS.operations_topic_arn,
            }
        ],
    },
}
EMAIL = Subscription("email", filtered=False)
# Lambda shows empty objects for destinations that are not set, and the ARN of what the configuration belongs to.
FUNCTIONS: dict[str, Function | Unread] = {
    USER_EVENT: Function(
        None,
        {
            "FunctionArn": f"{LAMBDA}{USER_EVENT}:$LATEST",
            "MaximumRetryAttempts": 2,
            "MaximumEventAgeInSeconds": 21600,
            "DestinationConfig": {"OnSuccess": {}, "OnFailure": {"Destination": QUEUE}},
        },
    ),
    TEARDOWN: Function(
        None,
        {
            "FunctionArn": f"{LAMBDA}{TEARDOWN}:$LATEST",
            "MaximumRetryAttempts": 2,
            "MaximumEventAgeInSeconds": 3600,
            "DestinationConfig": {"OnSuccess": {}, "OnFailure": {}},
        },
    ),
}
MAPPING: Fields = {
    "UUID": "mapping-1",
    "State": "Enabled",
    "StateTransitionReason": "User action",
    "FunctionArn": f"{LAMBDA}{ALERT}",
    "EventSourceArn": STREAM,
    "BatchSize": 10,
    "BisectBatchOnFunctionError": True,
    "DestinationConfig": {"OnFailure": {"Destination": QUEUE}},
    "MaximumRecordAgeInSeconds": 21600,
    "MaximumRetryAttempts": -1,
    "LastProcessingResult": "OK",
}
# EventBridge Scheduler shows the default retries.
SCHEDULE: Fields = {
    "Name": "mfa-guard-sweep",
    "GroupName": "default",
    "State": "ENABLED",
    "ScheduleExpression": "rate(1 hour)",
    "ScheduleExpressionTimezone": "UTC",
    "FlexibleTimeWindow": {"Mode": "OFF"},
    "Target": {
        "Arn": f"{LAMBDA}{USER_EVENT}",
        "RoleArn": SCHEDULE_ROLE,
        "Input": "{}",
        "RetryPolicy": {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185},
    },
}
ALL_WRITES = BasicSelector(management=True, read_write="All", excluded=())
MAIN = Trail(TRAIL_ARN, "us-east-1", multi_region=True, global_events=True)
LOGS_ALL = TrailState(logging=True, selectors=(ALL_WRITES,))

HEALTHY = Readings(
    resources=RESOURCES,
    stop=None,
    trails={MAIN: LOGS_ALL},
    rules=RULES,
    notices=Subscriptions((EMAIL,), 0),
    operations=Subscriptions((EMAIL,), 0),
    topic_policies=POLICIES,
    functions=FUNCTIONS,
    exemption_stream=ExemptionStream(STREAM, MAPPING),
    schedule=SCHEDULE,
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
    "topic policies": "topic_policies",
    "functions": "functions",
    "exemption changes": "exemption_stream",
    "schedule": "schedule",
    "dead-letter queue": "dead_letters",
    "enforcement policy": "policy",
    "enforcement group": "group",
    "root": "root",
    "termination protection": "termination_protection",
}


def checks(deployed: Deployed = DEPLOYED, **readings: object) -> dict[str, Check]:
    """Return the checks by name, of a guard that is fine except for `readings`."""
    found = replace(HEALTHY, **readings)  # type: ignore[arg-type]
    return {check.name: check for check in judge(found, deployed)}


def check(name: str, reading: object) -> Check:
    return checks(DEPLOYED, **{READING_OF[name]: reading})[name]
