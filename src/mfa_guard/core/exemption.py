"""Exemptions that administrators record for immutable user ids."""

import hashlib
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from typing import Final

from mfa_guard.core.times import parse_utc

MAX_DURATION: Final = timedelta(days=365)
_TEXTS: Final = ("user_id", "user_name", "owner", "reason", "created_by", "expires_at")


@dataclass(frozen=True)
class Exemption:
    """A valid record. It exempts the user with this id until `expires_at`, even if the user's name changes."""

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
    """A record that does not exempt the user; `problem` is one sentence for the administrator."""

    problem: str


def parse_exemption(item: Mapping[str, object], user_id: str, now: datetime) -> Exemption | MalformedExemption:
    """Return the exemption in a table item whose values are plain strings.

    The record is malformed if a field is missing, empty or not a string, if the id is another user's, or if
    `expires_at` is not a time like 2027-01-31T00:00:00Z or is more than 365 days after `now`.
    """
    texts = {key: value for key in _TEXTS if isinstance(value := item.get(key), str) and value.strip()}
    if missing := [key for key in _TEXTS if key not in texts]:
        return MalformedExemption(f"The exemption record lacks {', '.join(missing)}.")
    if texts["user_id"] != user_id:
        return MalformedExemption("The exemption record belongs to another user.")
    expires_at = parse_utc(texts["expires_at"])
    if expires_at is None:
        return MalformedExemption("The exemption record's expires_at is not a UTC time like 2027-01-31T00:00:00Z.")
    if expires_at > now + MAX_DURATION:
        return MalformedExemption("The exemption record's expires_at is more than 365 days ahead.")
    return Exemption(
        user_id=user_id,
        user_name=texts["user_name"],
        owner=texts["owner"],
        reason=texts["reason"],
        created_by=texts["created_by"],
        expires_at=expires_at,
    )


def fingerprint(record: Exemption | MalformedExemption) -> str:
    """Return a short text that changes with everything a reader of the record sees."""
    return hashlib.sha256(repr(astuple(record)).encode()).hexdigest()[:16]
