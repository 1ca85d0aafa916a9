"""The commands that notices carry: pastes for the AWS CLI, in bash, zsh or CloudShell, each safe to run twice.

Beside a paste stands what does the same for whoever has the program mfa-guard.
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

# What the program does in a paste's place, by the paste's name: the command, and its options.
_CLI_COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "undo": ("release", ""),
    "take_back": ("enforce", "--drop-exemption"),
    "exempt": ("exempt add", "--owner OWNER --reason REASON"),
    "enforce": ("enforce", ""),
}
# Where the program looks when it is not told.
_HOME: Final = "us-east-1"

# Each command only after the one before succeeded.
_JOINT: Final = " && \\\n"

# https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html
_RULE_NAME: Final = re.compile(r"[.\-_A-Za-z0-9]{1,64}")

# Closes the JSON's single quotes around a substitution, so that the record names whoever pastes the command.
_CALLER_MARK: Final = "CALLER"
_CALLER: Final = "'\"$(aws sts get-caller-identity --query Arn --output text)\"'"


def exempt_command(state: UserState, settings: Settings, now: datetime, reason: str) -> str:
    """Return the command that records an exemption of 30 days for the user's immutable id.

    `reason` is the guard's own text: it stands inside single quotes and must hold none.
    """
    fields = {
        "user_id": state.id,
        "user_name": state.name,
        "owner": "administrators",
        "reason": reason,
        "created_by": _CALLER_MARK,
        "expires_at": utc_text(now + EXEMPT_FOR),
    }
    quoted = f"'{_item(fields)}'".replace(f'"{_CALLER_MARK}"', f'"{_CALLER}"')
    return f"aws dynamodb put-item --region {settings.region} --table-name {settings.exemptions_table} --item {quoted}"


def _item(fields: Mapping[str, str]) -> str:
    """Return strings as the JSON of a DynamoDB item or key."""
    return json.dumps({key: {"S": value} for key, value in fields.items()}, separators=(",", ":"))


def undo_command(state: UserState, routes: Sequence[AttachmentRoute], settings: Settings, now: datetime) -> str:
    """Return one paste that exempts the user first and then releases him, so that drift repair respects it."""
    exempt = exempt_command(state, settings, now, "undo of a mfa-guard notice")
    return _JOINT.join([exempt, *(_release(state, route, settings) for route in routes)])


def enforce_again_command(state: UserState, settings: Settings) -> str:
    """Return one paste that deletes the exemption and then enforces."""
    key = _item({"user_id": state.id})
    table = f"--region {settings.region} --table-name {settings.exemptions_table}"
    return _JOINT.join([f"aws dynamodb delete-item {table} --key '{key}'", enforce_command(state, settings)])


def activate_command(state: UserState, key_id: str) -> str:
    """Return the command that makes an access key active again."""
    name = _option("--user-name", state.name)
    return f"aws iam update-access-key {name} --access-key-id {key_id} --status Active"


def remove_device_command(state: UserState, serial: str) -> str:
    """Return the command that takes an MFA device off the user."""
    return f"aws iam deactivate-mfa-device {_option('--user-name', state.name)} {_option('--serial-number', serial)}"


def enable_rule_command(rule: str, settings: Settings) -> str | None:
    """Return the command that enables a rule again, or None for a name that EventBridge cannot have given."""
    if not _RULE_NAME.fullmatch(rule):
        return None
    return f"aws events enable-rule --region {settings.region} {_option('--name', rule)}"


def enforce_command(state: UserState, settings: Settings) -> str:
    """Return the command that binds the user by hand, in the way the stack enforces."""
    name = _option("--user-name", state.name)
    if settings.enforce_through is AttachmentRoute.DIRECT:
        return f"aws iam attach-user-policy {name} --policy-arn {settings.policy_arn}"
    return f"aws iam add-user-to-group {name} --group-name {settings.group_name}"


def cli_command(paste: str, user: str, settings: Settings) -> str | None:
    """Return the program's command for what the paste of this name does, or None when there is none."""
    if paste not in _CLI_COMMANDS:
        return None
    command, options = _CLI_COMMANDS[paste]
    given = [
        *([options] if options else []),
        *([f"--stack {shlex.quote(settings.stack_name)}"] if settings.stack_name != DEFAULT_STACK else []),
        *([f"--region {settings.region}"] if settings.region != _HOME else []),
    ]
    # A user may be called -x, which the program would take for an option.
    words = [*given, "--", shlex.quote(user)] if user.startswith("-") else [shlex.quote(user), *given]
    return " ".join(["mfa-guard", command, *words])


def _release(state: UserState, route: AttachmentRoute, settings: Settings) -> str:
    name = _option("--user-name", state.name)
    if route is AttachmentRoute.DIRECT:
        return f"aws iam detach-user-policy {name} --policy-arn {settings.policy_arn}"
    return f"aws iam remove-user-from-group {name} --group-name {settings.group_name}"


def _option(flag: str, value: str) -> str:
    # A user may be called -x, which the CLI would take for an option.
    return f"{flag}={shlex.quote(value)}" if value.startswith("-") else f"{flag} {shlex.quote(value)}"
