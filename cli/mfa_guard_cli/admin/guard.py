"""The deployed guard: the stack's resources, SweepFunction's settings, and clients with the caller's permissions."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Final, TypeVar

import boto3
import typer
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from mfa_guard.adapters.clock import SystemClock
from mfa_guard.adapters.exemptions import ExemptionList, ExemptionTable
from mfa_guard.adapters.iam import IamUsers
from mfa_guard.adapters.user_records import UserRecordTable
from mfa_guard.core.cloudtrail import USER_NAME
from mfa_guard.core.errors import AwsRequestFailed, UserGone
from mfa_guard.core.health.content import Content, load_content
from mfa_guard.core.health.deployed import Deployed, parse_deployed
from mfa_guard.core.health.readings import Unread
from mfa_guard.core.metrics import Gauge, Metric
from mfa_guard.core.partitions import partition_of
from mfa_guard.core.settings import Settings, SettingsError, parse_settings
from mfa_guard.core.user import Field, UserState
from mfa_guard.use_cases.load import load
from mfa_guard_cli.common.aws_session import open_session
from mfa_guard_cli.common.errors import AwsError, WrongUse, as_program_error
from mfa_guard_cli.common.output import printable
from mfa_guard_cli.common.stack_location import StackLocation

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sqs import SQSClient

Parsed = TypeVar("Parsed")

_CLIENT_CONFIG: Final = Config(retries={"mode": "standard", "max_attempts": 5}, connect_timeout=5, read_timeout=30)

SWEEP_FUNCTION: Final = "SweepFunction"
_ALL_FIELDS: Final = (
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


class _Warnings:
    """The guard's telemetry on a terminal: warnings on stderr, and nothing else."""

    def count(self, metric: Metric, times: int = 1) -> None: ...
    def gauge(self, gauge: Gauge, value: float) -> None: ...
    def info(self, message: str, **data: object) -> None: ...

    def warning(self, message: str, **data: object) -> None:
        """Print a warning and its data."""
        details = ", ".join(f"{key}: {value}" for key, value in data.items())
        typer.echo(printable(f"Warning: {message}{f' ({details})' if details else ''}."), err=True)


@dataclass(frozen=True)
class Guard:
    """The guard of one account, and clients that work with the caller's own permissions.

    `environment` is SweepFunction's. It has all settings of the other functions too.
    """

    session: boto3.Session
    resources: tuple[Resource, ...]
    environment: Mapping[str, str]
    sweep_arn: str
    settings: Settings

    @cached_property
    def iam(self) -> "IAMClient":
        """Return the client of IAM."""
        return self.session.client("iam", config=_CLIENT_CONFIG)

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        """Return the client of DynamoDB."""
        return self.session.client("dynamodb", config=_CLIENT_CONFIG)

    @cached_property
    def events(self) -> "EventBridgeClient":
        """Return the client of EventBridge."""
        return self.session.client("events", config=_CLIENT_CONFIG)

    @cached_property
    def functions(self) -> "LambdaClient":
        """Return the client of Lambda."""
        return self.session.client("lambda", config=_CLIENT_CONFIG)

    @cached_property
    def queues(self) -> "SQSClient":
        """Return the client of SQS."""
        return self.session.client("sqs", config=_CLIENT_CONFIG)

    @cached_property
    def users(self) -> IamUsers:
        """Return IAM's users, read and changed as the guard does it."""
        return IamUsers(self.iam, self.settings.policy_arn, self.settings.group_name)

    @cached_property
    def exemptions(self) -> ExemptionTable:
        """Return the exemption table, to read single records."""
        return ExemptionTable(self.dynamodb, self.settings.exemptions_table)

    @cached_property
    def records(self) -> UserRecordTable:
        """Return the user records, which the command line only reads. It continues without them."""
        tables = (self.settings.state_table, self.settings.exemptions_table)
        return UserRecordTable(self.dynamodb, tables, self.exemptions, SystemClock(), _Warnings())

    @cached_property
    def exemption_list(self) -> ExemptionList:
        """Return the exemption table, to read all records."""
        return ExemptionList(self.dynamodb, self.settings.exemptions_table, SystemClock())

    @property
    def deployed(self) -> Deployed:
        """Return what the health checks compare with. Raises WrongUse."""
        content = _content(self.environment.get("VERSION", "unknown"))
        return _parse(lambda: parse_deployed(self.environment, self.settings, self.sweep_arn, content))

    @property
    def function_arns(self) -> tuple[str, ...]:
        """Return the ARNs of the functions that handle events and sweep requests."""
        return self.deployed.functions

    def caller(self) -> str:
        """Return the caller's ARN."""
        return self.session.client("sts", config=_CLIENT_CONFIG).get_caller_identity()["Arn"]

    def now(self) -> datetime:
        """Return the time in UTC."""
        return datetime.now(UTC)

    def user(self, name: str, *fields: Field) -> UserState:
        """Return a user, with these fields loaded from IAM. Raises WrongUse if the user does not exist."""
        with translate_iam_errors(), _user_must_exist(name, self):
            state = self.users.user(check_user_name(name))
            for field in fields:
                state = load(state, field, self.users)
        return state

    def complete_user(self, name: str, now: datetime) -> UserState:
        """Return a user with everything that the plan can need, the exemption too. Raises WrongUse."""
        state = self.user(name, *_ALL_FIELDS)
        record, exemption = self.records.read(state.id, now)
        return replace(state, exemption=exemption, record=record)


def check_user_name(text: str) -> str:
    """Return the name of an IAM user. Raises WrongUse for a text that IAM does not allow as a name."""
    if not USER_NAME.fullmatch(text):
        raise WrongUse(
            f"{text[:80]!a} is not a valid IAM user name, which has 1 to 64 letters, digits and characters of +=,.@_-."
        )
    return text


def open_guard(location: StackLocation) -> Guard:
    """Return the guard that a stack deployed. Raises WrongUse if there is none, and what botocore raises."""
    session = open_session(location.profile, location.region)
    home = partition_of(session.region_name or "").home_region
    if location.region is None and session.region_name != home:
        # Whatever region the configuration sets, the stack is in the region that receives IAM's events.
        session = open_session(location.profile, home)
    resources = _resources(session, location.stack)
    function = next((each.physical_id for each in resources if each.logical_id == SWEEP_FUNCTION), None)
    if not function:
        raise WrongUse(
            f"The stack {location.stack} in {session.region_name} has no {SWEEP_FUNCTION}, so it is not mfa-guard or"
            " not complete; name the right stack with --stack."
        )
    found = session.client("lambda", config=_CLIENT_CONFIG).get_function_configuration(FunctionName=function)
    environment = found.get("Environment", {}).get("Variables", {})
    return Guard(
        session=session,
        resources=resources,
        environment=environment,
        sweep_arn=found["FunctionArn"],
        settings=_parse(lambda: parse_settings(environment)),
    )


def _resources(session: boto3.Session, stack_name: str) -> tuple[Resource, ...]:
    pages = session.client("cloudformation", config=_CLIENT_CONFIG).get_paginator("list_stack_resources")
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


def _content(deployed_version: str) -> Content | Unread:
    """Return what the deployed version deploys, which is known only if this program has the same version."""
    own = version("mfa-guard")
    if deployed_version == own:
        return load_content()
    return Unread(
        f"Version {deployed_version} deployed the stack, and this program has version {own}, so it does not know what"
        " was deployed"
    )


def _parse(parse: Callable[[], Parsed]) -> Parsed:
    try:
        return parse()
    except SettingsError as error:
        raise WrongUse(
            f"This version of mfa-guard cannot read the settings of the deployed {SWEEP_FUNCTION}: {error}"
        ) from error


@contextmanager
def translate_iam_errors() -> Iterator[None]:
    """Raise ProgramError, as for every AWS request, for the errors that the guard's own adapters raise."""
    try:
        yield
    except AwsRequestFailed as error:
        raise _as_program_error(error) from error


def _as_program_error(error: AwsRequestFailed) -> AwsError | WrongUse:
    cause = error.__cause__
    known = as_program_error(cause) if isinstance(cause, BotoCoreError | ClientError) else None
    return known if isinstance(known, AwsError | WrongUse) else AwsError(f"An AWS request failed: {error}")


@contextmanager
def _user_must_exist(name: str, guard: Guard) -> Iterator[None]:
    try:
        yield
    except UserGone as error:
        raise WrongUse(
            f"There is no IAM user {name} in account {guard.settings.account}; to list the users: aws iam list-users"
        ) from error
