"""The commands in notices: for the AWS CLI in bash, zsh or CloudShell, and the mfa-guard commands that do the same.

Every command can run twice without harm.
"""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from mfa_guard.core.attachments import AttachmentRoute
from mfa_guard.core.settings import DEFAULT_STACK, Settings
from mfa_guard.core.times import utc_text
from mfa_guard.core.user import UserState

EXEMPT_FOR: Final = timedelta(days=30)

# The mfa-guard command and its options that do the same as the AWS CLI command of this key.
_CLI_COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "undo": ("release", ""),
    "enforce_again": ("enforce", "--drop-exemption"),
    "exempt": ("exempt add", "--owner OWNER --reason REASON"),
    "enforce": ("enforce", ""),
}
# The region in which the mfa-guard command looks for the stack by default.
_DEFAULT_REGION: Final = "us-east-1"

# A command runs only if the command before it succeeded.
_AND_THEN: Final = " && \\\n"

# https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html
_RULE_NAME: Final = re.compile(r"[.\-_A-Za-z0-9]{1,64}")

# https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-trail-naming-requirements.html
_TRAIL: Final = re.compile(r"(?:arn:[a-z-]+:cloudtrail:[a-z0-9-]+:[0-9]{12}:trail/)?[A-Za-z0-9][A-Za-z0-9._-]{2,127}")
_REGION: Final = re.compile(r"[a-z]{2}(?:-[a-z]+)+-[0-9]")

LIST_UNASSIGNED_DEVICES: Final = (
    "aws iam list-virtual-mfa-devices --assignment-status Unassigned --query 'VirtualMFADevices[].SerialNumber'"
)

# Closes the JSON's single quotes around a substitution: the shell that runs the command puts its caller's ARN here.
_CALLER_PLACEHOLDER: Final = "CALLER"
_CALLER: Final = "'\"$(aws sts get-caller-identity --query Arn --output text)\"'"


def exempt_command(state: UserState, settings: Settings, now: datetime, reason: str) -> str:
    """Return the command that records an exemption of 30 days for the user's immutable id.

    `reason` is mfa-guard's own text. It stands inside single quotes, so it must not contain one.
    """
    fields = {
        "user_id": state.id,
        "user_name": state.name,
        "owner": "administrators",
        "reason": reason,
        "created_by": _CALLER_PLACEHOLDER,
        "expires_at": utc_text(now + EXEMPT_FOR),
    }
    quoted = f"'{_item(fields)}'".replace(f'"{_CALLER_PLACEHOLDER}"', f'"{_CALLER}"')
    return f"aws dynamodb put-item --region {settings.region} --table-name {settings.exemptions_table} --item {quoted}"


def _item(fields: Mapping[str, str]) -> str:
    """Return strings as the JSON of a DynamoDB item or key."""
    return json.dumps({key: {"S": value} for key, value in fields.items()}, separators=(",", ":"))


def undo_command(state: UserState, routes: Sequence[AttachmentRoute], settings: Settings, now: datetime) -> str:
    """Return one command that first exempts the user, so that mfa-guard does not enforce again, and then releases."""
    exempt = exempt_command(state, settings, now, "undo of an mfa-guard notice")
    return _AND_THEN.join([exempt, *(_release_command(state, route, settings) for route in routes)])


def enforce_again_command(state: UserState, settings: Settings) -> str:
    """Return one command that deletes the exemption and then enforces."""
    key = _item({"user_id": state.id})
    table = f"--region {settings.region} --table-name {settings.exemptions_table}"
    return _AND_THEN.join([f"aws dynamodb delete-item {table} --key '{key}'", enforce_command(state, settings)])


def activate_command(state: UserState, key_id: str) -> str:
    """Return the command that activates an access key."""
    name = _option("--user-name", state.name)
    return f"aws iam update-access-key {name} --access-key-id {key_id} --status Active"


def remove_device_command(state: UserState, serial: str) -> str:
    """Return the command that removes an MFA device from the user."""
    return f"aws iam deactivate-mfa-device {_option('--user-name', state.name)} {_option('--serial-number', serial)}"


def enable_rule_command(rule: str, settings: Settings) -> str | None:
    """Return the command that enables a rule, or None for a name that EventBridge does not allow."""
    if not _RULE_NAME.fullmatch(rule):
        return None
    return f"aws events enable-rule --region {settings.region} {_option('--name', rule)}"


def start_logging_command(trail: str, region: str) -> str | None:
    """Return the command that starts a trail again, or None for a name or a region that AWS does not allow."""
    if not _TRAIL.fullmatch(trail) or not _REGION.fullmatch(region):
        return None
    return f"aws cloudtrail start-logging --region {region} --name {shlex.quote(trail)}"


def enforce_command(state: UserState, settings: Settings) -> str:
    """Return the command that enforces for the user by the route that the stack's settings choose."""
    name = _option("--user-name", state.name)
    if settings.enforce_through is AttachmentRoute.DIRECT:
        return f"aws iam attach-user-policy {name} --policy-arn {settings.policy_arn}"
    return f"aws iam add-user-to-group {name} --group-name {settings.group_name}"


def cli_command(key: str, user: str, settings: Settings) -> str | None:
    """Return the mfa-guard command that does the same as the AWS CLI command `key`, or None if there is none."""
    if key not in _CLI_COMMANDS:
        return None
    command, options = _CLI_COMMANDS[key]
    given = [
        *([options] if options else []),
        *([f"--stack {shlex.quote(settings.stack_name)}"] if settings.stack_name != DEFAULT_STACK else []),
        *([f"--region {settings.region}"] if settings.region != _DEFAULT_REGION else []),
    ]
    # A user can have the name -x, which mfa-guard would read as an option.
    words = [*given, "--", shlex.quote(user)] if user.startswith("-") else [shlex.quote(user), *given]
    return " ".join(["mfa-guard", command, *words])


def _release_command(state: UserState, route: AttachmentRoute, settings: Settings) -> str:
    name = _option("--user-name", state.name)
    if route is AttachmentRoute.DIRECT:
        return f"aws iam detach-user-policy {name} --policy-arn {settings.policy_arn}"
    return f"aws iam remove-user-from-group {name} --group-name {settings.group_name}"


def _option(flag: str, value: str) -> str:
    # A user can have the name -x, which the AWS CLI would read as an option.
    return f"{flag}={shlex.quote(value)}" if value.startswith("-") else f"{flag} {shlex.quote(value)}"
