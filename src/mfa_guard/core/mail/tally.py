"""Collect what a sweep reports, one user after the other, so that the sweep keeps no user until its end."""

from datetime import datetime
from typing import Final

from mfa_guard.core.account.assessment import Assessment, Counts
from mfa_guard.core.mail.digest_lines import decision_line, noncompliant_line, plan_line
from mfa_guard.core.times import utc_text

# No mail has room for more lines.
MOST_LINES: Final = 10_000


class Lines:
    """Lines in the order in which they were added; those beyond MOST_LINES are only counted."""

    def __init__(self) -> None:
        self.total = 0
        self.kept: list[str] = []

    def add(self, line: str) -> None:
        """Add a line."""
        self.total += 1
        if len(self.kept) < MOST_LINES:
            self.kept.append(line)


class RankedLines:
    """Lines by rank, the lowest first; when there are more than MOST_LINES, the highest ranks are only counted."""

    def __init__(self) -> None:
        self.total = 0
        self._ranked: list[tuple[tuple[float, str], str]] = []

    def add(self, rank: float, name: str, line: str) -> None:
        """Add a line. Lines of the same rank are in the order of `name`."""
        self.total += 1
        self._ranked.append(((rank, name), line))
        if len(self._ranked) >= 2 * MOST_LINES:
            self._cut()

    @property
    def kept(self) -> list[str]:
        """Return the lines in order."""
        self._cut()
        return [line for _, line in self._ranked]

    def _cut(self) -> None:
        self._ranked.sort()
        del self._ranked[MOST_LINES:]


class Tally:
    """The figures and lines of a sweep's digest so far. `began` is the time to which they refer.

    `in_scope` counts the users that the sweep may change as Mode says, and `planned` are those whose plan was not
    carried out. `pending` has a name for each planned change and each open decision.
    """

    def __init__(self, began: datetime) -> None:
        self._began = began
        self.counts = Counts()
        self.in_scope = 0
        self.oldest_days = 0
        self.changes = Lines()
        self.failures = Lines()
        self.failed: set[str] = set()
        self.awaiting_decision = Lines()
        self.planned = Lines()
        self.key_deactivation = RankedLines()
        self.noncompliant = RankedLines()
        self.pending: set[str] = set()

    def add(self, assessment: Assessment, *, in_scope: bool, carried_out: bool) -> None:
        """Add a user who exists. `carried_out`: the sweep does what the plan says."""
        now, state = self._began, assessment.state
        self.counts.add(assessment)
        self.in_scope += in_scope
        if assessment.awaits_decision:
            self.awaiting_decision.add(decision_line(assessment, now))
            self.pending.add(f"{state.id}:decide")
        if assessment.plan.actions and not carried_out:
            self.planned.add(plan_line(assessment, now))
            if not assessment.awaits_decision:
                self.pending.add(f"{state.id}:{','.join(assessment.plan.actions)}")
        if (due := assessment.key_deactivation.due) and due > now:
            self.key_deactivation.add(due.timestamp(), state.name, f"{state.name}: {utc_text(due)}")
        if assessment.noncompliant:
            days = assessment.days_noncompliant(now)
            self.oldest_days = max(self.oldest_days, days)
            self.noncompliant.add(-days, state.name, noncompliant_line(assessment, now))

    def change(self, name: str, text: str) -> None:
        """Add what the sweep did to a user."""
        self.changes.add(f"{name}: {text}")

    def failure(self, name: str, reason: str) -> None:
        """Add what the sweep could not do for a user, and why."""
        self.failures.add(f"{name}: {reason}")
        self.failed.add(name)
