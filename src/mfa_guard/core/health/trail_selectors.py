"""Which CloudTrail trails deliver IAM's management write events to a region."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from mfa_guard.core.health.readings import Unread


@dataclass(frozen=True)
class BasicSelector:
    """A basic event selector of a trail."""

    management: bool
    read_write: str
    excluded: tuple[str, ...]

    def selects_iam_writes(self) -> bool:
        """Tell whether the selector selects IAM's management write events."""
        return self.management and self.read_write in {"All", "WriteOnly"} and _IAM not in self.excluded


@dataclass(frozen=True)
class FieldFilter:
    """One condition of an advanced event selector, such as readOnly Equals false."""

    field: str
    operator: str
    values: tuple[str, ...]

    def matches(self, event: Mapping[str, str]) -> bool:
        """Tell whether the condition matches every event with the fields of `event`.

        A field that `event` lacks has various values, so a condition on that field matches only some events.
        """
        test = _OPERATORS.get(self.operator)
        return test is not None and self.field in event and test(event[self.field], self.values)


@dataclass(frozen=True)
class AdvancedSelector:
    """An advanced event selector of a trail: it selects the events that match every filter.

    https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_AdvancedFieldSelector.html
    """

    filters: tuple[FieldFilter, ...]

    def selects_iam_writes(self) -> bool:
        """Tell whether the selector selects all of IAM's management write events."""
        return all(each.matches(_IAM_WRITE) for each in self.filters)


_IAM: Final = "iam.amazonaws.com"
_IAM_WRITE: Final[Mapping[str, str]] = {"eventCategory": "Management", "eventSource": _IAM, "readOnly": "false"}
_OPERATORS: Final[Mapping[str, Callable[[str, tuple[str, ...]], bool]]] = {
    "Equals": lambda value, given: value in given,
    "StartsWith": lambda value, given: value.startswith(given),
    "EndsWith": lambda value, given: value.endswith(given),
    "NotEquals": lambda value, given: value not in given,
    "NotStartsWith": lambda value, given: not value.startswith(given),
    "NotEndsWith": lambda value, given: not value.endswith(given),
}


@dataclass(frozen=True)
class Trail:
    """A trail as DescribeTrails shows it in every region that the trail covers."""

    arn: str
    home_region: str
    multi_region: bool
    global_events: bool


@dataclass(frozen=True)
class TrailState:
    """What CloudTrail shows of a trail in the trail's home region only."""

    logging: bool
    selectors: tuple[BasicSelector | AdvancedSelector, ...]


def gap(trail: Trail, state: TrailState | Unread, region: str) -> str | Unread | None:
    """Return why a trail does not deliver IAM's events to `region`, or None if it does.

    The result is `state` itself if that decides and could not be read.
    """
    if not trail.global_events:
        return "excludes the events of global services"
    if not trail.multi_region and trail.home_region != region:
        return f"covers only {trail.home_region}"
    if isinstance(state, Unread):
        return state
    if not state.logging:
        return "is not logging"
    if not any(selector.selects_iam_writes() for selector in state.selectors):
        return "does not record all of IAM's management write events"
    return None
