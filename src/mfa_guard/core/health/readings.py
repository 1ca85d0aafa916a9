"""What AWS shows of the guard's own parts. For trails see `mfa_guard.core.health.trail_selectors`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from mfa_guard.core.emergency_stop import RecordedStop

T = TypeVar("T")

Fields: TypeAlias = Mapping[str, object]


@dataclass(frozen=True)
class Unread:
    """A part that could not be read, with AWS's reason. `missing`: the part does not exist."""

    reason: str
    missing: bool = False


@dataclass(frozen=True)
class Rule:
    """An EventBridge rule. `pattern` is None if the rule has none."""

    state: str
    pattern: Fields | None
    targets: tuple[Fields, ...]


@dataclass(frozen=True)
class Subscription:
    """A confirmed subscription of a topic. `filtered`: it gets only the messages that match its filter policy."""

    protocol: str
    filtered: bool | Unread


@dataclass(frozen=True)
class Subscriptions:
    """The subscriptions of a topic. `pending` is how many wait for confirmation."""

    confirmed: tuple[Subscription, ...]
    pending: int


@dataclass(frozen=True)
class Function:
    """What Lambda shows of a function. `concurrency` is reserved; None: nothing is.

    `invocation` is the configuration for asynchronous invocations, None if the function has none.
    """

    concurrency: int | None
    invocation: Fields | None


@dataclass(frozen=True)
class ExemptionStream:
    """The stream of the exemption table, and what reads it. `stream` is the ARN; None: the stream is off."""

    stream: str | None
    mapping: Fields


@dataclass(frozen=True)
class PolicyVersion:
    """The default version of a managed policy."""

    id: str
    document: object


@dataclass(frozen=True)
class GroupPolicies:
    """The policies of a group: the ARNs of managed policies and the names of inline policies."""

    attached: tuple[str, ...]
    inline: tuple[str, ...]


@dataclass(frozen=True)
class Root:
    """Which credentials the root user has."""

    mfa: bool
    keys: bool
    password: bool


@dataclass(frozen=True)
class StackResource:
    """A resource of the stack, as CloudFormation lists it."""

    type: str
    physical_id: str


@dataclass(frozen=True)
class Seen(Generic[T]):
    """A part, with what the comparison needs besides: the stack's resources by logical id, and the recorded stop."""

    part: T
    resources: Mapping[str, StackResource] | Unread
    stop: RecordedStop | None
