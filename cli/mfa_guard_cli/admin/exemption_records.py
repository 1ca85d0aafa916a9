"""The terms of an exemption that an administrator gives, and its record in the table."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from mfa_guard.core.exemption import Exemption, MalformedExemption, parse_exemption
from mfa_guard.core.mail.shell_commands import EXEMPT_FOR
from mfa_guard.core.times import parse_utc, utc_text
from mfa_guard_cli.common.errors import WrongUse

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# As much as the guard's mails show.
_LONGEST_TEXT: Final = 200


def end_of(days: int | None, until: str | None, now: datetime) -> datetime:
    """Return when an exemption ends: after so many days, at a time, or after 30 days. Raises WrongUse."""
    if days is not None and until is not None:
        raise WrongUse("Give --days or --until, not both.")
    if until is None:
        return now + (EXEMPT_FOR if days is None else timedelta(days=days))
    end = parse_utc(until) or parse_utc(f"{until}T00:00:00Z")
    if end is None:
        raise WrongUse(f"--until is {until[:40]!a}; give a day or a UTC time: 2027-01-31, or 2027-01-31T18:00:00Z.")
    if end <= now:
        raise WrongUse(f"--until is {utc_text(end)}, which has passed; give a time ahead.")
    return end


def new_exemption(
    user_id: str, user_name: str, *, owner: str, reason: str, created_by: str, end: datetime, now: datetime
) -> Exemption:
    """Return an exemption that the guard accepts; raises WrongUse for one that it would not."""
    for option, text in (("--owner", owner), ("--reason", reason)):
        if not text.isprintable() or len(text) > _LONGEST_TEXT:
            raise WrongUse(f"{option} must be one line of at most {_LONGEST_TEXT} characters.")
    record = {
        "user_id": user_id,
        "user_name": user_name,
        "owner": owner,
        "reason": reason,
        "created_by": created_by,
        "expires_at": utc_text(end),
    }
    # By the guard's own reading, so that nothing is written that exempts nobody.
    parsed = parse_exemption(record, user_id, now)
    if isinstance(parsed, MalformedExemption):
        raise WrongUse(f"The exemption would not count: {parsed.problem}")
    return parsed


class ExemptionRecords:
    """Writes to the exemption table. Raises what DynamoDB raises."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def put(self, exemption: Exemption) -> None:
        """Record an exemption in the place of whatever was recorded for the same user id."""
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
        """Delete whatever is recorded for a user id."""
        self._client.delete_item(TableName=self._table, Key={"user_id": {"S": user_id}})


def in_words(exemption: Exemption) -> str:
    """Return an exemption as the middle of a sentence."""
    return (
        f"until {utc_text(exemption.expires_at)}, owner {exemption.owner}, reason {exemption.reason}, recorded by "
        f"{exemption.created_by}"
    )
