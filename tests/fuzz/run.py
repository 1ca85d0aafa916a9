"""Generate events and send them."""

from collections import Counter
from typing import Final

from hypothesis import HealthCheck, Phase, given, seed, settings

from fuzz.events import events
from fuzz.target import Target

# Hypothesis remembers what it generated in one run, so many short runs are faster than a long one.
BATCH: Final = 2_000


def batch(number: int) -> tuple[Counter[str], int]:
    """Send one batch, which is always the same for a number. See `send`."""
    return send(BATCH, seeded=number)


def send(count: int, *, seeded: int) -> tuple[Counter[str], int]:
    """Send `count` generated events. Return how many each part understood, and the longest line of the log in bytes.

    Raises each error that a part does not declare, with the event that caused it.
    """
    target = Target()

    @seed(seeded)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(events)
    def send_one(event: object) -> None:
        target.send(event)

    with target.open():
        send_one()
    return target.understood, target.longest
