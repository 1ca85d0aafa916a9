"""The lease that makes one notice out of parallel invocations."""

from enum import StrEnum


class Claim(StrEnum):
    """The answer to who tells. MINE: you. TOLD: somebody did. HELD: somebody is about to."""

    MINE = "mine"
    SENT = "sent"
    HELD = "held"
