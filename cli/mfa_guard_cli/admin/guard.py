"""The deployed stack: its resources as CloudFormation lists them, its settings as SweepFunction has them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Final, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from mfa_guard.adapters.exemptions import ExemptionList, ExemptionTable
from mfa_guard.adapters.iam import IamUsers
from mfa_guard.core.errors import AwsRequestFailed, UserGone
from mfa_guard.core.health.checks import Deployed, parse_deployed
from mfa_guard.core.partitions import partition_of
from mfa_guard.core.settings import Settings, SettingsError, parse_settings
from mfa_guard.core.user import Field, UserState
from mfa_guard.use_cases.load import load
from mfa_guard_cli.common.admin_options import user_name
from mfa_guard_cli.common.aws_session import open_session
from mfa_guard_cli.common.errors import AwsError, WrongUse, as_program_error
from mfa_guard_cli.common.stack_location import StackLocation

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sqs import SQSClient

Parsed = TypeVar("Parsed")

_PATIENT: Final = Config(retries={"mode": "standard", "max_attempts": 5}, connect_timeout=5, read_timeout=30)

SWEEP_FUNCTION: Final = "SweepFunction"
_EVERYTHING: Final = (
    Field.DEVICES,
    Field.ATTACHED,
    Field.IN_GROUP,
    Field.PASSWORD,
    Field.KEYS,
    Field.SERVICE_CREDENTIALS,
)


@dataclass(frozen=True)
class Resource:
    """One resource of the stack."""

    logical_id: str
    type: str
    physical_id: str


@dataclass(frozen=True)
class Guard:
    """The guard of one account, and clients that work with the caller's own rights.

    `environment` is SweepFunction's, which holds everything that the other functions' hold.
    """

    session: boto3.Session
    resources: tuple[Resource, ...]
    environment: Mapping[str, str]
    sweep_arn: str
    settings: Settings

    @cached_property
    def iam(self) -> "IAMClient":
        """Return IAM's client."""
        return self.session.client("iam", config=_PATIENT)

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        """Return DynamoDB's client."""
        return self.session.client("dynamodb", config=_PATIENT)

    @cached_property
    def events(self) -> "EventBridgeClient":
        """Return EventBridge's client."""
        return self.session.client("events", config=_PATIENT)

    @cached_property
    def functions(self) -> "LambdaClient":
        """Return Lambda's client."""
        return self.session.client("lambda", config=_PATIENT)

    @cached_property
    def queues(self) -> "SQSClient":
        """Return SQS's client."""
        return self.session.client("sqs", config=_PATIENT)

    @cached_property
    def users(self) -> IamUsers:
        """Return IAM's users, as the guard itself asks for them."""
        return IamUsers(self.iam, self.settings.policy_arn, self.settings.group_name)

    @cached_property
    def exemptions(self) -> ExemptionTable:
        """Return the exemption table, record by record."""
        return ExemptionTable(self.dynamodb, self.settings.exemptions_table)

    @cached_property
    def exemption_list(self) -> ExemptionList:
        """Return the exemption table as a whole."""
        return ExemptionList(self.dynamodb, self.settings.exemptions_table)

    @property
    def deployed(self) -> Deployed:
        """Return what the health checks compare with; raises WrongUse."""
        return _understood(lambda: parse_deployed(self.environment, self.settings, self.sweep_arn))

    @property
    def function_arns(self) -> tuple[str, ...]:
        """Return the functions that events and requests for sweeps are meant for."""
        return self.deployed.functions

    def caller(self) -> str:
        """Return the ARN of whoever calls."""
        return self.session.client("sts", config=_PATIENT).get_caller_identity()["Arn"]

    def now(self) -> datetime:
        """Return the time in UTC."""
        return datetime.now(UTC)

    def user(self, name: str, *questions: Field) -> UserState:
        """Return a user as IAM shows him, with the answers to `questions`. Raises WrongUse when there is none."""
        with refusals(), _must_exist(name, self):
            state = self.users.user(user_name(name))
            for question in questions:
                state = load(state, question, self.users)
        return state

    def whole_user(self, name: str, now: datetime) -> UserState:
        """Return everything the plan may ask about a user, the exemption among it."""
        state = self.user(name, *_EVERYTHING)
        return replace(state, exemption=self.exemptions.get(state.id, now), unfinished=None)


def open_guard(place: StackLocation) -> Guard:
    """Return the guard that a stack deployed. Raises WrongUse when there is none, and what botocore raises."""
    session = open_session(place.profile, place.region)
    home = partition_of(session.region_name or "").home_region
    if place.region is None and session.region_name != home:
        # Wherever a person works usually, the stack is where IAM's events arrive.
        session = open_session(place.profile, home)
    resources = _resources(session, place.stack)
    function = next((each.physical_id for each in resources if each.logical_id == SWEEP_FUNCTION), None)
    if not function:
        raise WrongUse(
            f"The stack {place.stack} in {session.region_name} is not mfa-guard's, or is not complete: it has no "
            f"{SWEEP_FUNCTION}; name the right one with --stack."
        )
    found = session.client("lambda", config=_PATIENT).get_function_configuration(FunctionName=function)
    environment = found.get("Environment", {}).get("Variables", {})
    return Guard(
        session=session,
        resources=resources,
        environment=environment,
        sweep_arn=found["FunctionArn"],
        settings=_understood(lambda: parse_settings(environment)),
    )


def _resources(session: boto3.Session, stack_name: str) -> tuple[Resource, ...]:
    pages = session.client("cloudformation", config=_PATIENT).get_paginator("list_stack_resources")
    try:
        return tuple(
            Resource(each["LogicalResourceId"], each["ResourceType"], each.get("PhysicalResourceId", ""))
            for page in pages.paginate(StackName=stack_name)
            for each in page["StackResourceSummaries"]
        )
    except ClientError as error:
        # https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ListStackResources.html
        if "does not exist" not in error.response["Error"].get("Message", ""):
            raise
        raise WrongUse(
            f"There is no stack {stack_name} in {session.region_name} of this account; deploy it, or name another with "
            "--stack, --region or --profile."
        ) from error


def _understood(parse: Callable[[], Parsed]) -> Parsed:
    try:
        return parse()
    except SettingsError as error:
        raise WrongUse(f"The deployed {SWEEP_FUNCTION} is not what this program understands: {error}") from error


@contextmanager
def refusals() -> Iterator[None]:
    """Let what IAM refuses to the guard's own adapters be told like any other refusal of AWS."""
    try:
        yield
    except AwsRequestFailed as refusal:
        raise _as_program_error(refusal) from refusal


def _as_program_error(refusal: AwsRequestFailed) -> AwsError | WrongUse:
    cause = refusal.__cause__
    told = as_program_error(cause) if isinstance(cause, BotoCoreError | ClientError) else None
    return told if isinstance(told, AwsError | WrongUse) else AwsError(f"AWS refused: {refusal}")


@contextmanager
def _must_exist(name: str, guard: Guard) -> Iterator[None]:
    try:
        yield
    except UserGone as gone:
        raise WrongUse(
            f"There is no IAM user {name} in account {guard.settings.account}; aws iam list-users shows who is there."
        ) from gone
