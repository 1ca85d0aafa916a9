"""The stack's parameters, as the functions' environment has them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final, TypeVar

from mfa_guard.core.attachments import AttachmentRoute


class Mode(StrEnum):
    """Which users the guard may change. AUDIT: no user. EVENTS: the users in scope. ALL: every user."""

    AUDIT = "audit"
    EVENTS = "events"
    ALL = "all"


class EnforceOn(StrEnum):
    """Which users are enforced: every user, or the users with a console password."""

    ALL = "all"
    CONSOLE = "console"


class WorkingMachineUsers(StrEnum):
    """What happens to active machine users. REVIEW: an administrator decides. ENFORCE: they are enforced."""

    REVIEW = "review"
    ENFORCE = "enforce"


DEFAULT_STACK: Final = "mfa-guard"


class SettingsError(ValueError):
    """An environment variable is missing or wrong; the message names it."""


@dataclass(frozen=True)
class Settings:
    """The stack's parameters and the names of its resources."""

    mode: Mode
    enforce_through: AttachmentRoute
    enforce_on: EnforceOn
    working_machine_users: WorkingMachineUsers
    exempt_path_prefixes: tuple[str, ...]
    deactivate_keys_after_days: int
    help_url: str
    policy_arn: str
    group_name: str
    notices_topic_arn: str
    operations_topic_arn: str
    state_table: str
    exemptions_table: str
    summary_queue_url: str = ""
    stack_name: str = DEFAULT_STACK
    sweep_every: timedelta = timedelta(hours=1)

    @property
    def account(self) -> str:
        """Return the account's id, from the policy's ARN."""
        return self.policy_arn.split(":")[4]

    @property
    def partition(self) -> str:
        """Return the partition, such as aws or aws-cn, from the policy's ARN."""
        return self.policy_arn.split(":")[1]

    @property
    def region(self) -> str:
        """Return the stack's region, from the topic's ARN."""
        return self.notices_topic_arn.split(":")[3]

    @property
    def writes(self) -> bool:
        """Tell whether events and sweeps may change IAM."""
        return self.mode is not Mode.AUDIT

    @property
    def deactivation_days(self) -> int:
        """Return after how many days without a device sweeps deactivate access keys, or 0 if they never do."""
        return self.deactivate_keys_after_days if self.mode is Mode.ALL else 0

    def exempt_path(self, path: str) -> str | None:
        """Return the prefix that exempts users with this path, or None."""
        return next((prefix for prefix in self.exempt_path_prefixes if path.startswith(prefix)), None)


Choice = TypeVar("Choice", bound=StrEnum)

_ARN_PARTS: Final = 6


def parse_settings(environment: Mapping[str, str]) -> Settings:
    """Return the settings in a function's environment.

    Raises SettingsError if a variable is missing or has a wrong value.
    """
    return Settings(
        mode=_choice(environment, "MODE", Mode),
        enforce_through=_choice(environment, "ENFORCE_THROUGH", AttachmentRoute),
        enforce_on=_choice(environment, "ENFORCE_ON", EnforceOn),
        working_machine_users=_choice(environment, "WORKING_MACHINE_USERS", WorkingMachineUsers),
        exempt_path_prefixes=_paths(environment, "EXEMPT_PATH_PREFIXES"),
        deactivate_keys_after_days=_whole_number(environment, "DEACTIVATE_KEYS_AFTER_DAYS", 0, "days"),
        help_url=environment.get("HELP_URL", ""),
        policy_arn=_arn(environment, "ENFORCEMENT_POLICY_ARN"),
        group_name=required_variable(environment, "ENFORCEMENT_GROUP_NAME"),
        notices_topic_arn=_arn(environment, "NOTICES_TOPIC_ARN"),
        operations_topic_arn=_arn(environment, "OPERATIONS_TOPIC_ARN"),
        state_table=required_variable(environment, "STATE_TABLE_NAME"),
        exemptions_table=required_variable(environment, "EXEMPTIONS_TABLE_NAME"),
        summary_queue_url=required_variable(environment, "SUMMARY_QUEUE_URL"),
        stack_name=environment.get("STACK_NAME", DEFAULT_STACK),
        sweep_every=timedelta(hours=_whole_number(environment, "SWEEP_EVERY_HOURS", 1, "hours")),
    )


def required_variable(environment: Mapping[str, str], name: str) -> str:
    """Return a variable's value; raises SettingsError if it is missing or empty."""
    value = environment.get(name)
    if not value:
        raise SettingsError(f"The environment variable {name} is missing or empty.")
    return value


def _choice(environment: Mapping[str, str], name: str, choices: type[Choice]) -> Choice:
    value = required_variable(environment, name)
    try:
        return choices(value)
    except ValueError:
        raise SettingsError(
            f"The environment variable {name} is {value!r}; it must be one of {', '.join(choices)}."
        ) from None


def _arn(environment: Mapping[str, str], name: str) -> str:
    value = required_variable(environment, name)
    if not value.startswith("arn:") or value.count(":") < _ARN_PARTS - 1:
        raise SettingsError(f"The environment variable {name} is {value!r}, which is not an ARN.")
    return value


def _whole_number(environment: Mapping[str, str], name: str, default: int, unit: str) -> int:
    value = environment.get(name, str(default))
    if not (value.isascii() and value.isdigit()):
        raise SettingsError(f"The environment variable {name} is {value!r}; it must be a whole number of {unit}.")
    return int(value)


def _paths(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    paths = tuple(path.strip() for path in environment.get(name, "").split(",") if path.strip())
    for path in paths:
        # "/" would exempt every user, and "/svc" would also exempt "/svc-people/".
        if path == "/" or not (path.startswith("/") and path.endswith("/")):
            raise SettingsError(
                f"The environment variable {name} has {path!r}; a path begins and ends with '/' and is not '/' alone."
            )
    return paths
