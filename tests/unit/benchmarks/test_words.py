"""What is said of the figures, on figures made up for it."""

from collections import Counter
from dataclasses import replace
from datetime import date
from xml.etree import ElementTree as ET

import pytest

from benchmarks import cost
from benchmarks.chart import chart
from benchmarks.measure import Span
from benchmarks.results import CUSTODIAN, GUARD, WRITING, EventRun, Results, SweepRun
from benchmarks.words import TARGETS, growth, page, table, targets


def sweep(tool: str, users: int, latency: float, round_: str, times: float) -> SweepRun:
    calls = Counter({"iam:GetUser": round(users * times), "sns:Publish": 1})
    return SweepRun(tool, users, latency, round_, calls, Span(users * times, users * times / 2), 100 * times)


def results(times: float = 100.0) -> Results:
    """Return results in which everything of Custodian's is `times` mfa-guard's."""
    sweeps = tuple(
        sweep(tool, users, latency, round_, factor)
        for users in (1000, 5000)
        for latency in (0.0, 0.02)
        for tool, factor in ((GUARD, 1.0), (CUSTODIAN, times))
        for round_ in ("first", "steady")
    )
    events = tuple(
        EventRun(tool, latency, Counter({"iam:GetUser": 10}), 10, Span(factor, factor), Span(factor, factor), factor)
        for latency in (0.0, 0.02)
        for tool, factor in ((GUARD, 1.0), (CUSTODIAN, times))
    )
    versions = {GUARD: "boto3 1", CUSTODIAN: "0.9 <beta>", "Python": "3.11.7"}
    return Results(sweeps, events, {GUARD: 2_097_152, CUSTODIAN: 1_048_576}, versions, date(2026, 11, 24))


def test_every_target_is_met_where_custodian_needs_a_hundred_times_as_much() -> None:
    assert [met for _, _, met in targets(results())] == [True] * len(TARGETS)


def test_every_target_is_missed_where_custodian_needs_half() -> None:
    assert [met for _, _, met in targets(results(0.5))] == [False] * len(TARGETS)


def test_a_missed_target_is_said_to_be_missed() -> None:
    row = "| steady sweep of 1,000 users, 0 ms a call: IAM calls | 0.014 | 2.000 | missed: why is not known. |"
    assert row in page(results(0.5)).splitlines()


def test_the_table_has_both_figures_and_their_ratio() -> None:
    lines = table(results()).splitlines()
    assert "| first sweep | 1000 | 0 | IAM calls | 1,000 | 100,000 | 0.010 |" in lines
    assert "| one function's zip |  | 0 | MiB | 2 | 1 | 2.000 |" in lines


def test_calls_are_named_the_most_frequent_first() -> None:
    assert "| steady sweep of 1,000 | mfa-guard | iam:GetUser 1,000, sns:Publish 1 |" in table(results()).splitlines()


def test_growth_is_that_of_mfa_guard() -> None:
    lines = list(growth(results()))
    assert len(lines) == 12
    assert "| steady sweep, 20 ms a call: IAM calls | 5.0 | met |" in lines


def test_more_than_linear_growth_is_missed() -> None:
    base = results()
    slower = tuple(
        replace(run, span=Span(run.span.wall * 2, run.span.cpu * 2)) if run.users == 5000 else run
        for run in base.sweeps
    )
    assert "| first sweep, 0 ms a call: wall s | 10.0 | missed: why is not known. |" in list(
        growth(replace(base, sweeps=slower))
    )


def test_growth_that_another_latency_does_not_show_is_said_to_be_the_machines() -> None:
    base = results()
    slower = tuple(
        replace(run, span=Span(run.span.wall * 2, run.span.cpu)) if run.users == 5000 and not run.latency else run
        for run in base.sweeps
    )
    row = next(line for line in growth(replace(base, sweeps=slower)) if "first sweep, 0 ms a call: wall s" in line)
    assert "| 10.0 | missed: at another latency the CPU of the same work grew 5.0 times" in row


def test_custodians_other_way_is_told_where_it_was_measured() -> None:
    base = results()
    other = tuple(sweep(WRITING, 1000, 0.0, round_, times) for round_, times in (("first", 2.5), ("steady", 2.0)))
    text = " ".join(page(replace(base, sweeps=base.sweeps + other)).split())
    assert "2,500 IAM calls in its first sweep of 1,000 users and 2,000 in a steady one" in text
    assert "without asking who has it" not in page(base)


def test_the_chart_is_well_formed_and_escapes_what_it_was_told() -> None:
    root = ET.fromstring(chart(results()))  # noqa: S314 - nobody else wrote it
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "100x" in texts
    assert "Cloud Custodian 0.9 <beta>; Python 3.11.7; 2026-11-24" in texts


class TestCost:
    @pytest.mark.parametrize(("count", "dollars"), [(1500, 1.5), (100_000, 100.0), (150_000, 140.0), (600_000, 470.0)])
    def test_evaluations_become_cheaper_in_steps(self, count: int, dollars: float) -> None:
        assert cost.evaluations(count) == pytest.approx(dollars)

    def test_computing_takes_longer_on_a_share_of_a_processor_and_waiting_does_not(self) -> None:
        assert cost.seconds(wall=1.0, cpu=0.0) == 1.0
        assert cost.seconds(wall=0.512, cpu=0.512) == pytest.approx(1.769)

    def test_a_month_is_the_sum_of_its_parts(self) -> None:
        month = cost.month(results(), 500, alarms=12)
        assert month.fixed == pytest.approx(12 * 0.10 + 3.00)
        assert month.rule == pytest.approx(15.0)
        assert month.whole == pytest.approx(month.events + month.sweeps + month.metrics + month.fixed)

    def test_the_page_names_every_size(self) -> None:
        rows = [line for line in cost.page(results(), alarms=12).splitlines() if line.startswith("| ")]
        assert [row.split(" | ")[0] for row in rows] == ["| users", "| ---:", "| 50", "| 500", "| 5,000"]
