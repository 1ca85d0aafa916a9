"""What AWS shows of the guard's own parts. For trails see `mfa_guard.core.health.trail_selectors`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Unread:
    """A part that could not be read, with AWS's reason. `missing`: the part does not exist."""

    reason: str
    missing: bool = False


@dataclass(frozen=True)
class Rule:
    """An EventBridge rule; `targets` are ARNs."""

    state: str
    targets: tuple[str, ...]


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
