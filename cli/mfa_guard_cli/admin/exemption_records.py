"""Exemptions as an administrator requests them, and their records in the exemption table."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from mfa_guard.core.exemption import Exemption, MalformedExemption, parse_exemption
from mfa_guard.core.mail.shell_commands import EXEMPT_FOR
from mfa_guard.core.times import parse_utc, utc_text
from mfa_guard_cli.common.errors import WrongUse

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# The notices show no more than this.
_LONGEST_TEXT: Final = 200


@dataclass(frozen=True)
class ExemptionOptions:
    """The exemption that the administrator requests. Without `days` and `until` it lasts 30 days."""

    owner: str
    reason: str
    days: int | None
    until: str | None

    @property
    def has_end(self) -> bool:
        """Return whether the administrator set the end."""
        return self.days is not None or self.until is not None

    def end(self, now: datetime) -> datetime:
        """Return when the exemption ends. Raises WrongUse."""
        if self.days is not None and self.until is not None:
            raise WrongUse("Give --days or --until, but not both.")
        if self.until is None:
            return now + (EXEMPT_FOR if self.days is None else timedelta(days=self.days))
        end = parse_utc(self.until) or parse_utc(f"{self.until}T00:00:00Z")
        if end is None:
            raise WrongUse(
                f"--until is {self.until[:40]!a}; give a date or a UTC time: 2027-01-31, or 2027-01-31T18:00:00Z."
            )
        if end <= now:
            raise WrongUse(f"--until is {utc_text(end)}, which is in the past; give a later time.")
        return end


def new_exemption(
    user_id: str, user_name: str, options: ExemptionOptions, *, created_by: str, end: datetime, now: datetime
) -> Exemption:
    """Return an exemption that the guard accepts. Raises WrongUse for one that it would not accept."""
    for option, text in (("--owner", options.owner), ("--reason", options.reason)):
        if not text.isprintable() or len(text) > _LONGEST_TEXT:
            raise WrongUse(f"{option} must be one line of at most {_LONGEST_TEXT} characters.")
    record = {
        "user_id": user_id,
        "user_name": user_name,
        "owner": options.owner,
        "reason": options.reason,
        "created_by": created_by,
        "expires_at": utc_text(end),
    }
    # Parsed as the guard does it, so that no record is written that exempts no user.
    parsed = parse_exemption(record, user_id, now)
    if isinstance(parsed, MalformedExemption):
        raise WrongUse(f"The guard would not accept this exemption: {parsed.problem}")
    return parsed


class ExemptionRecords:
    """Writes the exemption table. Raises what DynamoDB raises."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def put(self, exemption: Exemption) -> None:
        """Record an exemption. It replaces the record of the same user ID."""
        texts = {
            "user_id": exemption.user_id,
            "user_name": exemption.user_name,
            "owner": exemption.owner,
            "reason": exemption.reason,
            "created_by": exemption.created_by,
            "expires_at": utc_text(exemption.expires_at),
        }
        self._client.put_item(TableName=self._table, Item={name: {"S": text} for name, text in texts.items()})

    def delete(self, user_id: str) -> None:
        """Delete the record of a user ID."""
        self._client.delete_item(TableName=self._table, Key={"user_id": {"S": user_id}})


def in_words(exemption: Exemption) -> str:
    """Return the end, owner, reason and author of an exemption, for the middle of a sentence."""
    return (
        f"until {utc_text(exemption.expires_at)}, owner {exemption.owner}, reason {exemption.reason}, recorded by "
        f"{exemption.created_by}"
    )
