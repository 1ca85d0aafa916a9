"""What a well-kept account has beside the stack: a trail, root's MFA device, protection of the stack."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, TypeAlias

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from moto.s3.models import s3_backends

from mfa_guard_cli.local.resources import create_all
from support.account import Account

TRAIL: Final = "account-trail"
_CHECKED: Final = frozenset({"AWS::Events::Rule", "AWS::Scheduler::Schedule"})
_BUCKET: Final = "account-trail-bucket"

_Answer: TypeAlias = tuple[AWSResponse, Mapping[str, object]]


def keep_well(account: Account) -> None:
    """Add what the health checks look for, unrecorded. Subscriptions are confirmed already, as moto's are."""
    stack = account.stack
    # Root's device and the stack itself have no call that would make them here: moto's CloudFormation takes seconds to
    # load every service there is.
    account.iam.account_summary._account_mfa_enabled = 1
    # The stubs know no handler that answers, which this event is made for.
    account.session.events.register("before-call.cloudformation.DescribeStacks", _described(account))  # type: ignore[arg-type]
    create_all(account.clients, stack, _CHECKED)
    s3_backends[stack.account][stack.partition].create_bucket(_BUCKET, stack.region)
    trails = account.clients.cloudtrail
    trails.create_trail(Name=TRAIL, S3BucketName=_BUCKET, IsMultiRegionTrail=True, IncludeGlobalServiceEvents=True)
    # Every new trail has this selector; moto forgets it.
    selector = {"ReadWriteType": "All", "IncludeManagementEvents": True}
    trails.put_event_selectors(TrailName=TRAIL, EventSelectors=[selector])  # type: ignore[list-item]
    trails.start_logging(Name=TRAIL)


def _described(account: Account) -> object:
    stack = account.stack
    shown = {
        "StackName": stack.name,
        "StackId": str(stack.resolve({"Ref": "AWS::StackId"})),
        "StackStatus": "UPDATE_COMPLETE",
        "CreationTime": datetime.now(UTC),
        "EnableTerminationProtection": True,
    }

    def describe(**_: object) -> _Answer:
        answer = {"Stacks": [shown], "ResponseMetadata": {"HTTPStatusCode": 200, "RequestId": "local"}}
        return AWSResponse("https://amazonaws.com/", 200, HTTPHeaders(), None), answer

    return describe
