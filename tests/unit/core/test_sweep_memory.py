"""When a sweep has news to send."""

from dataclasses import replace
from datetime import timedelta

import pytest

from mfa_guard.core.sweep_memory import SweepMemory, digest_is_due
from support.factories import NOW

KNOWN = SweepMemory(mailed_at=NOW, pending=frozenset({"p"}), problems=frozenset({"q"}))


@pytest.mark.parametrize(
    ("before", "changed", "pending", "problems", "days", "news"),
    [
        (SweepMemory(), 0, frozenset(), frozenset(), 0, True),
        (KNOWN, 0, frozenset({"p"}), frozenset({"q"}), 1, False),
        (KNOWN, 0, frozenset(), frozenset(), 1, False),
        (KNOWN, 1, frozenset(), frozenset(), 1, True),
        (KNOWN, 0, frozenset({"p", "new"}), frozenset(), 1, True),
        (KNOWN, 0, frozenset(), frozenset({"new"}), 1, True),
        (replace(KNOWN, not_tagged=("bad: reason",)), 0, frozenset(), frozenset(), 1, True),
        (KNOWN, 0, frozenset(), frozenset(), 7, True),
    ],
)
def test_a_digest_is_due_for_news_and_once_a_week(
    before: SweepMemory, changed: int, pending: frozenset[str], problems: frozenset[str], days: int, news: bool
) -> None:
    assert digest_is_due(before, changed, pending, problems, NOW + timedelta(days=days)) is news
