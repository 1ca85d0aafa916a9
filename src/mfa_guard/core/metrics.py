"""The names of the guard's metrics."""

from enum import StrEnum


class Metric(StrEnum):
    """A count."""

    USERS_ENFORCED = "UsersEnforced"
    USERS_MARKED_NONCOMPLIANT = "UsersMarkedNoncompliant"
    USERS_CLEARED = "UsersCleared"
    NOTICES_SENT = "NoticesSent"
    ENFORCEMENT_FAILED = "EnforcementFailed"
    USER_RECORD_UNREACHABLE = "UserRecordUnreachable"
    DUPLICATE_EVENTS = "DuplicateEvents"
    EVENTS_NOT_UNDERSTOOD = "EventsNotUnderstood"
    SWEEP_FAILURES = "SweepFailures"
    NEW_SWEEP_FAILURES = "NewSweepFailures"
    NEW_HEALTH_PROBLEMS = "NewHealthProblems"
    SWEEP_FINISHED = "SweepFinished"
    KEYS_DEACTIVATED = "KeysDeactivated"


class Gauge(StrEnum):
    """A value that a sweep measures."""

    USERS_COMPLIANT = "UsersCompliant"
    USERS_NONCOMPLIANT = "UsersNoncompliant"
    USERS_EXEMPT = "UsersExempt"
    USERS_UNDER_ENFORCEMENT = "UsersUnderEnforcement"
    OLDEST_NONCOMPLIANT_DAYS = "OldestNoncompliantDays"
    SWEEP_DURATION = "SweepDuration"
    HEALTH_PROBLEMS = "HealthProblems"
    TRAIL_PROBLEM = "TrailProblem"
    RULES_PROBLEM = "RulesProblem"
    NOTICES_TOPIC_PROBLEM = "NoticesTopicProblem"
