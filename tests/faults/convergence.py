"""The verdict about a run with stale reads or an identity change: after one sweep whose reads are current.

Then every user in scope is as the plan demands, every change of enforcement and of keys was reported, and so was every
tag that is still there. After stale reads, no notice was false. Users are ids here, because a name may be another
user's by then.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Final

from faults.fault_injection import Injection
from faults.harness import Harness
from faults.observations import Observations, ObservedUser, RunResult, SentNotice, Users
from faults.scenarios import SWEEP, USER
from faults.verdicts import TRUE_NOTICES, Outcome, Verdict
from mfa_guard_emulator.aws.baseline import ADMINISTRATOR
from mfa_guard_emulator.aws.stale_reads import Kind

# The alarms that say that the sweep itself failed.
_SWEEP_ALARMS: Final = frozenset({"SweepFailuresAlarm", "SweepFunctionErrorsAlarm"})


@dataclass(frozen=True)
class ConvergenceJudge:
    """Judges the runs of a scenario.

    `baseline`: what the run without a disturbance left behind. `users_before`: the users before the run.
    """

    harness: Harness
    observations: Observations
    baseline: RunResult
    users_before: Users

    def judge(self, result: RunResult, injection: Injection) -> Verdict:
        """Return the verdict about the run that has just ended, after the next sweep."""
        self.harness.sweep()
        swept = self.observations.result()
        if wrong := next(self._wrong_states(swept), None):
            return Verdict(Outcome.BAD, wrong)
        if swept.dead_letters > result.dead_letters:
            return Verdict(Outcome.BAD, "an event or the sweep ended in the dead-letter queue again")
        if next(self._unreported(swept), None):
            # What is not urgent is in the digest of the day.
            self.harness.sweep_at_digest_time()
        after = self.observations.result()
        wrong = next(
            chain(self._unreported(after), self._false_notices(after, injection), self._wrong_states(after)), None
        )
        if wrong:
            return Verdict(Outcome.BAD, wrong)
        if result.dead_letters:
            alarm = "DeadLetterQueueAlarm" in result.alarms
            return Verdict(Outcome.DEAD_LETTER) if alarm else Verdict(Outcome.BAD, "a dead letter without an alarm")
        done = next(chain(self._wrong_states(result), self._unreported(result)), None) is None
        return Verdict(Outcome.DONE if done else Outcome.NEXT_SWEEP)

    def _wrong_states(self, result: RunResult) -> Iterator[str]:
        for name, user in result.users.items():
            yield from self._wrong_state(name, user)

    def _unreported(self, result: RunResult) -> Iterator[str]:
        """Yield the changes, and the events, that no notice and no digest reports."""
        for user_id in result.changed | self._tagged_otherwise(result):
            if not self._reported(result, user_id):
                yield f"{self._label(user_id)} was changed without a report"
        for name, user in result.users.items():
            left_alone = name != ADMINISTRATOR and not user.as_required and self._out_of_scope(name, user)
            if left_alone and not self._reported(result, user.id):
                yield f"no digest lists {self._label(user.id)}, who is out of scope"
        if not result.dead_letters:
            yield from self._unreported_events(result)

    def _false_notices(self, result: RunResult, injection: Injection) -> Iterator[str]:
        # IAM has no conditional write, so a name can become another user's between a write and its notice.
        return _false_notices(result) if isinstance(injection.fault, Kind) else iter(())

    def _tagged_otherwise(self, result: RunResult) -> frozenset[str]:
        before = {user.id: user.tagged for user in self.users_before.values()}
        return frozenset(user.id for user in result.users.values() if user.tagged != before.get(user.id, False))

    def _wrong_state(self, name: str, user: ObservedUser) -> Iterator[str]:
        if name == ADMINISTRATOR and self.harness.scenario.function == USER:
            # The administrator is older than the stack, and out of scope.
            if user != self.users_before[name]:
                yield f"{name} was changed: {user}"
            return
        if self._out_of_scope(name, user):
            return
        if not user.as_required:
            yield f"{self._label(user.id)} is not in the required state: {user}"
        keys = next((each.keys for each in self.baseline.users.values() if each.id == user.id), {})
        if user.keys != {key: keys.get(key, True) for key in user.keys}:
            yield f"{self._label(user.id)} has the keys {user.keys}"

    def _out_of_scope(self, name: str, user: ObservedUser) -> bool:
        """Tell whether Mode: events leaves the user alone: older than the stack, and found by no event.

        Only a lost event, or one whose name no read showed for minutes, ends like this. A digest has to list the user.
        """
        if (
            self.harness.scenario.parameters.get("Mode", "events") != "events"
            or user.id in self.observations.in_scope()
        ):
            return False
        unchanged = any(user == before for before in self.users_before.values())
        return unchanged and self.harness.is_older_than_the_stack(name)

    def _unreported_events(self, result: RunResult) -> Iterator[str]:
        """Yield the subjects of notices in the run without a disturbance that were not reported here."""
        if self.harness.scenario.function == SWEEP:
            return
        existing = {user.id for user in result.users.values()}
        for user_id in {notice.subject_id for notice in self.baseline.notices} & existing:
            if user_id and not self._reported(result, user_id):
                yield f"nothing reports the event about {self._label(user_id)}"

    def _reported(self, result: RunResult, user_id: str) -> bool:
        return bool(_SWEEP_ALARMS & result.alarms) or any(self._names(each, user_id) for each in result.notices)

    def _names(self, notice: SentNotice, user_id: str) -> bool:
        if notice.subject_id:
            return notice.subject_id == user_id
        names = "|".join(map(re.escape, self.observations.names[user_id]))
        lines = (line for section in notice.data.get("sections", {}).values() for line in section["lines"])
        return any(re.search(rf"(?<![\w.-])({names})(?![\w-])", line) for line in lines)

    def _label(self, user_id: str) -> str:
        return "/".join(sorted(self.observations.names[user_id]))


def _false_notices(result: RunResult) -> Iterator[str]:
    for notice in result.notices:
        by_id: Mapping[str, ObservedUser] = {user.id: user for user in notice.users.values()}
        user = by_id.get(notice.subject_id or "")
        if user and notice.kind in TRUE_NOTICES and not TRUE_NOTICES[notice.kind](user):
            yield f"a false notice {notice.kind} about {notice.subject}: {user}"
