"""The report on made-up figures."""

from collections import Counter
from dataclasses import replace
from datetime import date
from xml.etree import ElementTree as ET

import pytest

from benchmarks import cost
from benchmarks.chart import chart
from benchmarks.measure import Span
from benchmarks.report import TARGETS, growth, page, table, targets
from benchmarks.results import CUSTODIAN, CUSTODIAN_UNCONDITIONAL, GUARD, EventRun, Results, Spread, SweepRun


def sweep(tool: str, users: int, latency: float, round_: str, times: float) -> SweepRun:
    calls = Counter({"iam:GetUser": round(users * times), "sns:Publish": 1})
    wall, cpu, peak = (Spread.of([figure]) for figure in (users * times, users * times / 2, 100 * times))
    return SweepRun(tool, users, latency, round_, calls, wall, cpu, peak)


def results(times: float = 100.0) -> Results:
    """Return results in which every figure of Custodian is `times` that of mfa-guard."""
    sweeps = tuple(
        sweep(tool, users, latency, round_, factor)
        for users in (1000, 5000)
        for latency in (0.0, 0.02)
        for tool, factor in ((GUARD, 1.0), (CUSTODIAN, times))
        if tool == GUARD or users == 1000 or not latency
        for round_ in ("first", "steady")
    )
    events = tuple(
        EventRun(
            tool,
            latency,
            Counter({"iam:GetUser": round(10 * factor)}),
            10,
            Span(factor, factor),
            Span(factor, factor),
            factor,
        )
        for latency in (0.0, 0.02)
        for tool, factor in ((GUARD, 1.0), (CUSTODIAN, times))
    )
    versions = {GUARD: "boto3 1", CUSTODIAN: "0.9 <beta>", "Python": "3.11.7"}
    return Results(sweeps, events, {GUARD: 2_097_152, CUSTODIAN: 1_048_576}, versions, date(2026, 11, 24))


def _doubled(figure: Spread) -> Spread:
    return Spread.of([figure.median * 2])


def test_every_target_is_met_if_custodian_needs_a_hundred_times_as_much() -> None:
    assert [met for _, _, met in targets(results())] == [True] * len(TARGETS)


def test_every_target_is_missed_if_custodian_needs_two_fifths() -> None:
    assert [met for _, _, met in targets(results(0.4))] == [False] * len(TARGETS)


def test_the_page_shows_which_targets_were_missed() -> None:
    assert page(results(0.4)).count("| 2.500 | missed: ") == len(TARGETS)


def test_the_table_has_both_figures_and_their_ratio() -> None:
    lines = table(results()).splitlines()
    assert "| first sweep | 1000 | 0 | IAM calls | 1,000 | 100,000 | 0.010 |" in lines
    assert "| one function's zip |  | 0 | MiB | 2 | 1 | 2.000 |" in lines


def test_the_table_has_the_median_and_the_range_of_several_runs() -> None:
    base = results()
    three = Spread.of([12.0, 10.0, 17.5])
    sweeps = (replace(base.sweeps[0], wall=three), *base.sweeps[1:])
    lines = table(replace(base, sweeps=sweeps)).splitlines()
    assert "| first sweep | 1000 | 0 | wall s | 12 (10 to 17.50) | 100,000 | 0.000 |" in lines


def test_a_sweep_that_only_mfa_guard_made_has_no_ratio() -> None:
    assert "| first sweep | 5000 | 20 | wall s | 5,000 | not run |  |" in table(results()).splitlines()


def test_calls_are_named_the_most_frequent_first() -> None:
    assert "| steady sweep of 1,000 | mfa-guard | iam:GetUser 1,000, sns:Publish 1 |" in table(results()).splitlines()


def test_growth_is_the_growth_of_mfa_guard() -> None:
    lines = list(growth(results()))
    assert len(lines) == 12
    assert sum("| 5.0 | met |" in line for line in lines) == len(lines)


def test_more_than_linear_growth_is_missed() -> None:
    base = results()
    slower = tuple(
        replace(run, wall=_doubled(run.wall), cpu=_doubled(run.cpu)) if run.users == 5000 else run
        for run in base.sweeps
    )
    times = [line for line in growth(replace(base, sweeps=slower)) if "IAM calls" not in line]
    assert sum("| 10.0 | missed: " in line for line in times) == len(times)


def test_growth_at_one_latency_only_is_attributed_to_other_jobs() -> None:
    base = results()
    slower = tuple(
        replace(run, wall=_doubled(run.wall)) if run.users == 5000 and not run.latency else run for run in base.sweeps
    )
    missed = [line for line in growth(replace(base, sweeps=slower)) if "missed" in line]
    assert len(missed) == 2
    assert all("wall s | 10.0 |" in line and "grew 5.0 times" in line for line in missed)


def test_the_unconditional_policies_are_mentioned_if_they_were_measured() -> None:
    base = results()
    rounds = {"first": 2.5, "steady": 2.0}
    other = tuple(sweep(CUSTODIAN_UNCONDITIONAL, 1000, 0.0, round_, times) for round_, times in rounds.items())
    text = " ".join(page(replace(base, sweeps=base.sweeps + other)).split())
    assert "2,500 IAM calls in its first sweep of 1,000 users and 2,000 in a steady one" in text
    assert "without a check" not in page(base)


def test_the_chart_is_well_formed_and_escapes_its_texts() -> None:
    root = ET.fromstring(chart(results()))  # noqa: S314 - the benchmark wrote it
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "100x" in texts
    assert "Cloud Custodian 0.9 <beta>; Python 3.11.7; 2026-11-24" in texts


class TestCost:
    @pytest.mark.parametrize(("count", "dollars"), [(1500, 1.5), (100_000, 100.0), (150_000, 140.0), (600_000, 470.0)])
    def test_evaluations_become_cheaper_in_steps(self, count: int, dollars: float) -> None:
        assert cost.evaluations_price(count) == pytest.approx(dollars)

    def test_only_computing_takes_longer_with_a_share_of_a_processor(self) -> None:
        assert cost.billed_seconds(wall=1.0, cpu=0.0) == 1.0
        assert cost.billed_seconds(wall=0.512, cpu=0.512) == pytest.approx(1.769)

    def test_the_total_of_a_month_is_the_sum_of_its_parts(self) -> None:
        month = cost.month(results(), 500, alarms=12)
        assert month.fixed == pytest.approx(12 * 0.10 + 3.00)
        assert month.config_rule == pytest.approx(15.0)
        assert month.total == pytest.approx(month.events + month.sweeps + month.metrics + month.fixed)

    def test_the_page_has_a_row_for_every_size(self) -> None:
        rows = [line for line in cost.page(results(), alarms=12).splitlines() if line.startswith("| ")]
        assert [row.split(" | ")[0] for row in rows] == ["| users", "| ---:", "| 50", "| 500", "| 5,000"]
