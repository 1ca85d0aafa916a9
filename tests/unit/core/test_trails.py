"""A trail is critical unless the last sweep saw that the guard does not need it; what a call sets is one sentence."""

from datetime import timedelta

import pytest

from mfa_guard.core.alerts import parse_alert
from mfa_guard.core.health.readings import Unread
from mfa_guard.core.health.trail_selectors import BasicSelector, Trail, TrailState
from mfa_guard.core.notice_kinds import Severity
from mfa_guard.core.trails import KnownTrails, known_trails, trail_change, trail_severity
from support.factories import NOW, detail

HOME = "arn:aws:cloudtrail:us-east-1:111122223333:trail/"
KNOWN = KnownTrails(frozenset({f"{HOME}main"}), frozenset({f"{HOME}audit"}), NOW - timedelta(days=1))


def severity(name: str, known: KnownTrails | None = KNOWN) -> Severity:
    alert = parse_alert(detail("StopLogging", {"name": name}, eventSource="cloudtrail.amazonaws.com"))
    return trail_severity(alert, known, HOME, NOW)[0]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("main", Severity.CRITICAL),
        (f"{HOME}main", Severity.CRITICAL),
        ("audit", Severity.MEDIUM),
        (f"{HOME}audit", Severity.MEDIUM),
        ("new", Severity.CRITICAL),
        ("arn:aws:cloudtrail:eu-west-1:111122223333:trail/audit", Severity.CRITICAL),
        ("AUDIT", Severity.CRITICAL),
    ],
)
def test_a_trail_is_critical_unless_it_is_known_not_to_feed_the_guard(name: str, expected: Severity) -> None:
    assert severity(name) is expected


@pytest.mark.parametrize("age", [timedelta(days=2, seconds=1), timedelta(seconds=-1), timedelta(days=-30_000)])
def test_a_memory_that_is_old_or_from_the_future_is_not_believed(age: timedelta) -> None:
    known = KnownTrails(KNOWN.feeding, KNOWN.others, NOW - age)
    assert severity("audit", known) is Severity.CRITICAL


def test_without_a_memory_every_trail_is_critical() -> None:
    assert severity("audit", None) is Severity.CRITICAL


def test_a_sweep_remembers_every_trail_that_it_could_read() -> None:
    def trail(name: str, **changes: object) -> Trail:
        fields = {"home_region": "us-east-1", "multi_region": True, "global_events": True, **changes}
        return Trail(arn=f"{HOME}{name}", **fields)  # type: ignore[arg-type]

    good = TrailState(logging=True, selectors=(BasicSelector(management=True, read_write="All", excluded=()),))
    found = known_trails(
        {
            trail("one"): good,
            trail("two"): good,
            trail("stopped"): TrailState(logging=False, selectors=good.selectors),
            trail("local", global_events=False): Unread("denied"),
            trail("unread"): Unread("denied"),
        },
        "us-east-1",
        NOW,
    )
    assert found == KnownTrails(
        frozenset({f"{HOME}one", f"{HOME}two"}), frozenset({f"{HOME}stopped", f"{HOME}local"}), NOW
    )


@pytest.mark.parametrize(
    ("request_parameters", "expected"),
    [
        ({"name": "main"}, None),
        (
            {"trailName": "main", "eventSelectors": [{"readWriteType": "ReadOnly", "includeManagementEvents": True}]},
            "The call sets: management events (ReadOnly).",
        ),
        (
            {"eventSelectors": [{"excludeManagementEventSources": ["kms.amazonaws.com", "rdsdata.amazonaws.com"]}]},
            "The call sets: management events (All) without kms.amazonaws.com, rdsdata.amazonaws.com.",
        ),
        (
            {"eventSelectors": [{"includeManagementEvents": "false"}, {"includeManagementEvents": False}]},
            "The call sets: no management events; no management events.",
        ),
        (
            {
                "advancedEventSelectors": [
                    {
                        "name": "x",
                        "fieldSelectors": [
                            {"field": "eventCategory", "equals": ["Management"]},
                            {"field": "eventSource", "notEquals": ["iam.amazonaws.com", "kms.amazonaws.com"]},
                        ],
                    },
                    {"fieldSelectors": []},
                ]
            },
            "The call sets: events whose eventCategory equals Management and eventSource notEquals iam.amazonaws.com "
            "or kms.amazonaws.com; no filter.",
        ),
        (
            {"name": "main", "includeGlobalServiceEvents": False, "isMultiRegionTrail": "true", "size": 3},
            "The call sets: includeGlobalServiceEvents = false; isMultiRegionTrail = true; size = 3.",
        ),
        (
            {"eventSelectors": "none", "s3BucketName": "a\nb"},
            "The call sets: eventSelectors = none; s3BucketName = a?b.",
        ),
    ],
)
def test_what_a_call_sets_for_a_trail_is_one_sentence(
    request_parameters: dict[str, object], expected: str | None
) -> None:
    assert trail_change(request_parameters) == expected


def test_what_a_call_sets_is_cut() -> None:
    change = trail_change({"s3BucketName": "b" * 5_000})
    assert change is not None
    assert len(change) <= 600
