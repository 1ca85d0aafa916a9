"""Exemptions: what an administrator recorded for one immutable user id, and whether it holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from mfa_guard.core.times import parse_utc

LONGEST: Final = timedelta(days=365)
_TEXTS: Final = ("user_id", "user_name", "owner", "reason", "created_by", "expires_at")


@dataclass(frozen=True)
class Exemption:
    """A well-formed record. It exempts until `expires_at`, whatever the user is called by then."""

    user_id: str
    user_name: str
    owner: str
    reason: str
    created_by: str
    expires_at: datetime

    def in_force(self, now: datetime) -> bool:
        """Tell whether the exemption is in force at `now`."""
        return now < self.expires_at


@dataclass(frozen=True)
class MalformedExemption:
    """A record that exempts nobody; `problem` is one sentence for the administrator."""

    problem: str


def parse_exemption(item: Mapping[str, object], user_id: str, now: datetime) -> Exemption | MalformedExemption:
    """Return the exemption in a table item whose values are plain strings.

    A field that is missing, empty or no string, another user's id, a time that is not like 2027-01-31T00:00:00Z, and
    an expiry more than 365 days after `now` make it malformed.
    """
    texts = {key: value for key in _TEXTS if isinstance(value := item.get(key), str) and value.strip()}
    if missing := [key for key in _TEXTS if key not in texts]:
        return MalformedExemption(f"The exemption record lacks {', '.join(missing)}.")
    if texts["user_id"] != user_id:
        return MalformedExemption("The exemption record is another user's.")
    expires_at = parse_utc(texts["expires_at"])
    if expires_at is None:
        return MalformedExemption("The exemption record's expires_at is not a UTC time like 2027-01-31T00:00:00Z.")
    if expires_at > now + LONGEST:
        return MalformedExemption("The exemption record's expires_at is more than 365 days ahead.")
    return Exemption(
        user_id=user_id,
        user_name=texts["user_name"],
        owner=texts["owner"],
        reason=texts["reason"],
        created_by=texts["created_by"],
        expires_at=expires_at,
    )
