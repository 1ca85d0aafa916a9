"""What a health check answers: a verdict and its reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Verdict(StrEnum):
    """The result of a check."""

    FINE = "fine"
    PROBLEM = "problem"
    CANNOT_VERIFY = "cannot verify"


@dataclass(frozen=True)
class Judgment:
    """A verdict and its reason. `advice` replaces the check's usual advice; `advisory` makes a problem an advice.

    `parts` name what is wrong; see `mfa_guard.core.health.checks.Check`.
    """

    verdict: Verdict
    reason: str
    advice: str | None = None
    advisory: bool = False
    parts: tuple[str, ...] = ()


def fine(reason: str) -> Judgment:
    """Return that a part is fine."""
    return Judgment(Verdict.FINE, reason)


def problem(reason: str) -> Judgment:
    """Return that a part has a problem."""
    return Judgment(Verdict.PROBLEM, reason)


def unverifiable(reason: str) -> Judgment:
    """Return that a part cannot be verified."""
    return Judgment(Verdict.CANNOT_VERIFY, reason)


_SHOWN: Final = 6


def listed(texts: Sequence[str], separator: str) -> str:
    """Return the first texts, and how many more there are."""
    rest = [f"and {len(texts) - _SHOWN} more"] if len(texts) > _SHOWN else []
    return separator.join([*texts[:_SHOWN], *rest])
