"""The names of what the guard counts and measures."""

from enum import StrEnum


class Metric(StrEnum):
    """What the guard counts."""

    USERS_ENFORCED = "UsersEnforced"
    USERS_MARKED_NONCOMPLIANT = "UsersMarkedNoncompliant"
    USERS_CLEARED = "UsersCleared"
    NOTICES_SENT = "NoticesSent"
    ENFORCEMENT_FAILED = "EnforcementFailed"
    DUPLICATE_EVENTS = "DuplicateEvents"
    EVENTS_NOT_UNDERSTOOD = "EventsNotUnderstood"
    SWEEP_FAILURES = "SweepFailures"
    SWEEP_FINISHED = "SweepFinished"
    KEYS_DEACTIVATED = "KeysDeactivated"


class Gauge(StrEnum):
    """What a sweep measures."""

    USERS_COMPLIANT = "UsersCompliant"
    USERS_NONCOMPLIANT = "UsersNoncompliant"
    USERS_EXEMPT = "UsersExempt"
    USERS_UNDER_ENFORCEMENT = "UsersUnderEnforcement"
    OLDEST_NONCOMPLIANT_DAYS = "OldestNoncompliantDays"
    SWEEP_DURATION = "SweepDuration"
    HEALTH_PROBLEMS = "HealthProblems"
