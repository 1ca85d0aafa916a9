"""Generate events and send them."""

from collections import Counter
from typing import Final

from hypothesis import HealthCheck, Phase, given, seed, settings

from fuzz.events import events
from fuzz.target import Target

# Hypothesis remembers what it generated in one go, so that many short goes are faster than a long one.
BATCH: Final = 2_000


def batch(number: int) -> tuple[Counter[str], int]:
    """Send one batch, always the same for a number; see `send`."""
    return send(BATCH, seeded=number)


def send(count: int, *, seeded: int) -> tuple[Counter[str], int]:
    """Send `count` generated events; return how many each part understood, and the longest line of the log in bytes.

    Raises what a part does not declare, with the event that made it do so.
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
    def sending(event: object) -> None:
        target.send(event)

    with target.open():
        sending()
    return target.understood, target.longest
