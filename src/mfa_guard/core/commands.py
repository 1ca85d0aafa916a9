"""The AWS CLI commands that notices carry: each one paste for bash, zsh or CloudShell, safe to run twice."""

import json
import shlex
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from mfa_guard.core.settings import Settings
from mfa_guard.core.times import utc_text
from mfa_guard.core.user import UserState, Way

EXEMPT_FOR: Final = timedelta(days=30)

# Closes the JSON's single quotes around a substitution, so that the record names whoever pastes the command.
_CALLER_MARK: Final = "CALLER"
_CALLER: Final = "'\"$(aws sts get-caller-identity --query Arn --output text)\"'"


def exempt_command(state: UserState, settings: Settings, now: datetime) -> str:
    """Return the command that records an exemption of 30 days for the user's immutable id."""
    fields = {
        "user_id": state.id,
        "user_name": state.name,
        "owner": "administrators",
        "reason": "undo of a mfa-guard notice",
        "created_by": _CALLER_MARK,
        "expires_at": utc_text(now + EXEMPT_FOR),
    }
    item = json.dumps({key: {"S": value} for key, value in fields.items()}, separators=(",", ":"))
    quoted = f"'{item}'".replace(f'"{_CALLER_MARK}"', f'"{_CALLER}"')
    return f"aws dynamodb put-item --region {settings.region} --table-name {settings.exemptions_table} --item {quoted}"


def undo_command(state: UserState, ways: Sequence[Way], settings: Settings, now: datetime) -> str:
    """Return one paste that exempts the user first and then releases him, so that drift repair respects it."""
    return " && \\\n".join([exempt_command(state, settings, now), *(_release(state, way, settings) for way in ways)])


def enforce_command(state: UserState, settings: Settings) -> str:
    """Return the command that binds the user by hand, in the way the stack enforces."""
    name = _option("--user-name", state.name)
    if settings.enforce_through is Way.USER:
        return f"aws iam attach-user-policy {name} --policy-arn {settings.policy_arn}"
    return f"aws iam add-user-to-group {name} --group-name {settings.group_name}"


def _release(state: UserState, way: Way, settings: Settings) -> str:
    name = _option("--user-name", state.name)
    if way is Way.USER:
        return f"aws iam detach-user-policy {name} --policy-arn {settings.policy_arn}"
    return f"aws iam remove-user-from-group {name} --group-name {settings.group_name}"


def _option(flag: str, value: str) -> str:
    # A user may be called -x, which the CLI would take for an option.
    return f"{flag}={shlex.quote(value)}" if value.startswith("-") else f"{flag} {shlex.quote(value)}"
