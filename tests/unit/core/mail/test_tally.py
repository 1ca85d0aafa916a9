"""What a sweep keeps of the users it has seen: figures and lines, and no more lines than a mail can hold."""

from dataclasses import replace
from datetime import timedelta

from mfa_guard.core.mail.tally import MOST_LINES, Lines, RankedLines, Tally
from mfa_guard.core.user_record import Standing
from support.factories import MARKED, NOW
from support.mails import BOB, CARL, assessment


def test_lines_beyond_the_limit_are_only_counted() -> None:
    lines = Lines()
    for number in range(MOST_LINES + 3):
        lines.add(str(number))
    assert (lines.total, len(lines.kept), lines.kept[-1]) == (MOST_LINES + 3, MOST_LINES, str(MOST_LINES - 1))


def test_of_ranked_lines_the_lowest_ranks_are_kept_whenever_they_come() -> None:
    lines = RankedLines()
    count = 2 * MOST_LINES + 5
    for number in range(count):
        lines.add(count - number, "x", str(count - number))
    assert lines.total == count
    assert lines.kept == [str(rank) for rank in range(1, MOST_LINES + 1)]


def test_users_of_the_same_rank_are_in_the_order_of_their_names() -> None:
    lines = RankedLines()
    lines.add(1, "zoe", "zoe: x")
    lines.add(1, "ann", "ann: x")
    assert lines.kept == ["ann: x", "zoe: x"]


def test_the_oldest_noncompliance_is_in_days() -> None:
    tally = Tally(NOW)
    since = (NOW - timedelta(days=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
    young = assessment("dan", Standing.ENFORCED, devices=(), tags={**MARKED, "mfa-guard:since": since})
    for each in (young, BOB, replace(CARL)):
        tally.add(each, in_scope=True, carried_out=True)
    assert (tally.oldest_days, tally.counts.noncompliant, tally.in_scope) == (28, 3, 3)
    assert tally.pending == set()
