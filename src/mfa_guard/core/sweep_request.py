"""The events that start a sweep."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

SOURCE: Final = "mfa-guard"
DETAIL_TYPE: Final = "Sweep requested"


class SweepNotUnderstood(ValueError):
    """The event is not a request for a sweep; the message is one sentence."""


@dataclass(frozen=True)
class SweepRequest:
    """A request for one round of a sweep.

    `id` is the event's id, and `sweep` the id of the event that requested the first round. `audit` keeps this sweep
    from writing, whatever the stack's Mode is; no request can allow more writes than the Mode. `round` counts from 1: a
    sweep that runs out of time requests the next round. `scheduled`: the schedule requested it, so news that is not
    urgent can wait.
    """

    id: str
    audit: bool
    round: int
    sweep: str
    scheduled: bool = False

    @property
    def may_hold(self) -> bool:
        """Tell whether news that is not urgent can wait: not in the rounds of a sweep that takes long."""
        return self.scheduled and self.round == 1


def parse_sweep_request(event: object) -> SweepRequest:
    """Return the request in an event of the schedule, of an administrator, or of an earlier round.

    Raises SweepNotUnderstood for any other event.
    """
    fields = event if isinstance(event, Mapping) else {}
    detail = fields.get("detail", {})
    if not is_sweep_request(event) or not isinstance(detail, Mapping):
        raise SweepNotUnderstood(f"The event is not a {DETAIL_TYPE!r} of {SOURCE!r}.")
    request_id, mode, round_number = fields.get("id"), detail.get("mode"), detail.get("round", 1)
    if not isinstance(request_id, str) or not request_id:
        raise SweepNotUnderstood("The event has no id.")
    if mode is not None and mode != "audit":
        raise SweepNotUnderstood("The event requests a mode other than audit.")
    if not isinstance(round_number, int) or isinstance(round_number, bool) or round_number < 1:
        raise SweepNotUnderstood("The event's round is not a whole number of 1 or more.")
    sweep = detail.get("sweep", request_id)
    if not isinstance(sweep, str) or not sweep:
        raise SweepNotUnderstood("The event's sweep is not an id.")
    return SweepRequest(request_id, mode == "audit", round_number, sweep, detail.get("scheduled") is True)


def is_sweep_request(event: object) -> bool:
    """Tell whether the event's source and type are those of a request for a sweep."""
    fields = event if isinstance(event, Mapping) else {}
    return fields.get("source") == SOURCE and fields.get("detail-type") == DETAIL_TYPE


def next_round(request: SweepRequest) -> Mapping[str, object]:
    """Return the detail of the event that requests the next round of the same sweep."""
    return {
        "round": request.round + 1,
        "sweep": request.sweep,
        **({"mode": "audit"} if request.audit else {}),
        **({"scheduled": True} if request.scheduled else {}),
    }
