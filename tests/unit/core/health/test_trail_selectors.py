"""Which trails deliver IAM's management write events."""

from dataclasses import replace

import pytest

from mfa_guard.core.health.readings import Unread
from mfa_guard.core.health.trail_selectors import (
    AdvancedSelector,
    BasicSelector,
    FieldFilter,
    Trail,
    TrailState,
    gap,
)
from support.factories import ACCOUNT

REGION = "us-east-1"
ALL_WRITES = BasicSelector(management=True, read_write="All", excluded=())
MAIN = Trail(f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/main", REGION, multi_region=True, global_events=True)
LOGS_ALL = TrailState(logging=True, selectors=(ALL_WRITES,))
DENIED = Unread("AccessDenied")


@pytest.mark.parametrize(
    "selector",
    [
        ALL_WRITES,
        replace(ALL_WRITES, read_write="WriteOnly"),
        replace(ALL_WRITES, excluded=("kms.amazonaws.com", "rdsdata.amazonaws.com")),
        AdvancedSelector((FieldFilter("eventCategory", "Equals", ("Management",)),)),
        AdvancedSelector(
            (
                FieldFilter("eventCategory", "Equals", ("Management",)),
                FieldFilter("readOnly", "Equals", ("false",)),
                FieldFilter("eventSource", "NotEquals", ("kms.amazonaws.com",)),
            )
        ),
        AdvancedSelector((FieldFilter("eventSource", "StartsWith", ("iam.", "sts.")),)),
        AdvancedSelector((FieldFilter("eventSource", "EndsWith", (".amazonaws.com",)),)),
        AdvancedSelector((FieldFilter("eventSource", "NotStartsWith", ("kms.",)),)),
        AdvancedSelector((FieldFilter("readOnly", "NotEndsWith", ("true",)),)),
    ],
)
def test_selectors_that_select_iam_writes(selector: BasicSelector | AdvancedSelector) -> None:
    assert selector.selects_iam_writes()


@pytest.mark.parametrize(
    "selector",
    [
        replace(ALL_WRITES, management=False),
        replace(ALL_WRITES, read_write="ReadOnly"),
        replace(ALL_WRITES, excluded=("iam.amazonaws.com",)),
        AdvancedSelector((FieldFilter("eventCategory", "Equals", ("Data",)),)),
        AdvancedSelector(
            (
                FieldFilter("eventCategory", "Equals", ("Management",)),
                FieldFilter("readOnly", "Equals", ("true",)),
            )
        ),
        AdvancedSelector((FieldFilter("readOnly", "NotEquals", ("false",)),)),
        AdvancedSelector((FieldFilter("eventSource", "NotEquals", ("iam.amazonaws.com",)),)),
        AdvancedSelector((FieldFilter("eventSource", "Equals", ("s3.amazonaws.com",)),)),
        AdvancedSelector((FieldFilter("eventSource", "NotStartsWith", ("iam",)),)),
        AdvancedSelector((FieldFilter("eventSource", "NotEndsWith", (".com",)),)),
        AdvancedSelector((FieldFilter("eventName", "NotEquals", ("CreateUser",)),)),
        AdvancedSelector((FieldFilter("readOnly", "Resembles", ("false",)),)),
    ],
)
def test_selectors_that_omit_some_iam_writes(selector: BasicSelector | AdvancedSelector) -> None:
    assert not selector.selects_iam_writes()


@pytest.mark.parametrize(
    "trail",
    [MAIN, replace(MAIN, multi_region=False), replace(MAIN, home_region="eu-west-1")],
    ids=["both", "homed here", "multi-region"],
)
def test_a_trail_of_this_region_or_of_all_regions_delivers(trail: Trail) -> None:
    assert gap(trail, LOGS_ALL, REGION) is None


def test_one_selector_of_several_is_enough() -> None:
    data_events = replace(ALL_WRITES, management=False)
    assert gap(MAIN, TrailState(logging=True, selectors=(data_events, ALL_WRITES)), REGION) is None


@pytest.mark.parametrize(
    ("trail", "state", "why"),
    [
        (replace(MAIN, global_events=False), LOGS_ALL, "excludes the events of global services"),
        (replace(MAIN, global_events=False), DENIED, "excludes the events of global services"),
        (replace(MAIN, multi_region=False, home_region="eu-west-1"), LOGS_ALL, "covers only eu-west-1"),
        (replace(MAIN, multi_region=False, home_region="eu-west-1"), DENIED, "covers only eu-west-1"),
        (MAIN, replace(LOGS_ALL, logging=False), "is not logging"),
        (MAIN, replace(LOGS_ALL, selectors=()), "does not record all of IAM's management write events"),
        (MAIN, DENIED, DENIED),
    ],
)
def test_what_keeps_a_trail_from_delivering(trail: Trail, state: TrailState | Unread, why: str | Unread) -> None:
    assert gap(trail, state, REGION) == why
