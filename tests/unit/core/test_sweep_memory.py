"""What becomes of a sweep's news: it is sent at once, held until the hour of the digest, or there is none."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from mfa_guard.core.sweep_memory import Due, News, SweepMemory, sends_all_news, what_is_due
from support.factories import NOW

# NOW is at noon. The last sweep ran an hour ago, and the last digest was sent at six.
KNOWN = SweepMemory(
    swept_at=NOW - timedelta(hours=1),
    mailed_at=NOW - timedelta(hours=6),
    pending=frozenset({"p"}),
    problems=frozenset({"q"}),
)
NO_NEWS = News(changes=0, urgent=False, too_much=False, pending=frozenset({"p"}), problems=frozenset({"q"}))
TOMORROW_AT_SIX = NOW + timedelta(hours=18)


def due(news: News, before: SweepMemory = KNOWN, now: datetime = NOW) -> Due:
    return what_is_due(before, news, now, scheduled=True)


@pytest.mark.parametrize(
    ("before", "news", "expected"),
    [
        (KNOWN, NO_NEWS, Due.NOTHING),
        (KNOWN, replace(NO_NEWS, pending=frozenset(), problems=frozenset()), Due.NOTHING),
        (KNOWN, replace(NO_NEWS, changes=1), Due.HOLD),
        (KNOWN, replace(NO_NEWS, pending=frozenset({"p", "new"})), Due.HOLD),
        (KNOWN, replace(NO_NEWS, changes=1, too_much=True), Due.SEND),
        (KNOWN, replace(NO_NEWS, urgent=True), Due.SEND),
        (KNOWN, replace(NO_NEWS, problems=frozenset({"q", "new"})), Due.SEND),
        (replace(KNOWN, not_written=("bad: reason",)), NO_NEWS, Due.SEND),
        (SweepMemory(), NO_NEWS, Due.SEND),
    ],
)
def test_urgent_news_is_sent_and_other_news_is_held(before: SweepMemory, news: News, expected: Due) -> None:
    assert due(news, before) is expected


def test_a_digest_is_sent_once_a_week_even_without_news() -> None:
    almost = NOW - timedelta(hours=6) + timedelta(days=7, seconds=-1)
    before = replace(KNOWN, swept_at=almost)
    assert due(NO_NEWS, before, almost) is Due.NOTHING
    assert due(NO_NEWS, before, almost + timedelta(seconds=1)) is Due.SEND


class TestTheHourOfTheDigest:
    def test_the_first_sweep_at_or_after_six_sends_all_news(self) -> None:
        before = replace(KNOWN, swept_at=TOMORROW_AT_SIX - timedelta(hours=1))
        assert not sends_all_news(before, TOMORROW_AT_SIX - timedelta(seconds=1), scheduled=True)
        assert sends_all_news(before, TOMORROW_AT_SIX, scheduled=True)
        assert due(replace(NO_NEWS, changes=1), before, TOMORROW_AT_SIX) is Due.SEND
        assert due(NO_NEWS, before, TOMORROW_AT_SIX) is Due.NOTHING

    def test_the_sweep_after_that_holds_again(self) -> None:
        before = replace(KNOWN, swept_at=TOMORROW_AT_SIX + timedelta(minutes=2))
        assert not sends_all_news(before, TOMORROW_AT_SIX + timedelta(hours=1), scheduled=True)

    def test_when_the_sweep_at_six_failed_the_next_one_sends(self) -> None:
        before = replace(KNOWN, swept_at=TOMORROW_AT_SIX - timedelta(hours=1))
        assert sends_all_news(before, TOMORROW_AT_SIX + timedelta(hours=2), scheduled=True)

    def test_a_sweep_every_24_hours_always_sends(self) -> None:
        for hour in range(24):
            now = NOW.replace(hour=hour)
            before = SweepMemory(swept_at=now - timedelta(days=1), mailed_at=now - timedelta(days=1))
            assert sends_all_news(before, now, scheduled=True)

    def test_what_an_administrator_requested_sends_at_once(self) -> None:
        assert sends_all_news(KNOWN, NOW, scheduled=False)

    @pytest.mark.parametrize("field", ["swept_at", "mailed_at"])
    def test_a_time_in_the_future_does_not_silence_the_digest(self, field: str) -> None:
        forged = replace(KNOWN, **{field: NOW.replace(year=2099)})  # type: ignore[arg-type]
        assert due(NO_NEWS, forged, NOW + timedelta(days=30)) is not Due.HOLD
        now = TOMORROW_AT_SIX + timedelta(hours=1)
        assert due(replace(NO_NEWS, problems=frozenset({"new"})), forged, now) is Due.SEND
