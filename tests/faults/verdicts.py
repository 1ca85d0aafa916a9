"""The verdict about a run with a fault, by comparison with the run without one."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Final

from faults.fault_injection import Duration, Fault, Injection
from faults.harness import Harness
from faults.observations import Observations, ObservedUser, RunResult, SentNotice, Users
from faults.scenarios import ALERT, SUBJECT, SWEEP, TEARDOWN, USER
from support.fakes import Crash

_UNTIL_REDRIVE: Final = timedelta(hours=1)
_UNTIL_NEXT_SWEEP: Final = timedelta(days=1)


class Outcome(Enum):
    """How a cell ends: its letter in the table, and its meaning."""

    DONE = ("+", "done: every user is in the required state, and every notice was sent once")
    REPEATED = ("2", "done, and a notice was sent more than once")
    DEAD_LETTER = ("D", "in the dead-letter queue, whose alarm is raised; after a redrive, it is done")
    NEXT_SWEEP = ("S", "done by the next sweep, whose reads are current, and reported")
    NOTICE = ("N", "a notice says what could not be done, and an alarm is raised")
    NOTHING = ("0", "nothing to do: the user no longer exists")
    FAILED = ("F", "CloudFormation received the response FAILED with the reason")
    UNANSWERED = ("A", "an alarm is raised: CloudFormation received no response, or no sweep was requested")
    IMPOSSIBLE = (".", "cannot happen: IAM may hide briefly what is new, but never what existed before")
    BAD = ("!", "silence, a wrong notice, or a lost notice")

    @property
    def letter(self) -> str:
        """Return the letter in the table."""
        return self.value[0]

    @property
    def meaning(self) -> str:
        """Return the meaning in the legend."""
        return self.value[1]


@dataclass(frozen=True)
class Verdict:
    """The outcome of a run. `why`: what was wrong, for BAD."""

    outcome: Outcome
    why: str = ""


@dataclass(frozen=True)
class Judge:
    """Judges the runs of a scenario.

    `baseline`: what the run without a fault left behind. `users_before`: the users before the run.
    """

    harness: Harness
    observations: Observations
    baseline: RunResult
    users_before: Users

    def judge(self, result: RunResult, injection: Injection) -> Verdict:
        """Return the verdict about the run that has just ended. It may redrive dead letters, or run the next sweep."""
        if wrong := self._wrong_notice(result):
            return Verdict(Outcome.BAD, wrong)
        function = self.harness.scenario.function
        if function == TEARDOWN:
            return self._judge_teardown(result)
        return self._judge_sweep(result, injection) if function == SWEEP else self._judge_event(result, injection)

    def _judge_event(self, result: RunResult, injection: Injection) -> Verdict:
        if result.dead_letters:
            return self._judge_dead_letters(
                result, lambda after: "" if self._user_deleted(after) else self._missing_after_event(after)
            )
        if not (missing := self._missing_after_event(result)):
            return self._once_or_repeated(result, injection)
        if "EnforcementFailedAlarm" in result.alarms and any(each.severity == "critical" for each in result.notices):
            return Verdict(Outcome.NOTICE)
        return Verdict(Outcome.NOTHING) if self._user_deleted(result) else Verdict(Outcome.BAD, missing)

    def _judge_sweep(self, result: RunResult, injection: Injection) -> Verdict:
        if result.dead_letters:
            return self._judge_dead_letters(result, self._missing_after_sweep)
        if not (missing := self._missing_after_sweep(result)):
            return self._once_or_repeated(result, injection)
        if "SweepFailuresAlarm" not in result.alarms:
            return Verdict(Outcome.BAD, missing)
        return self._judge_next_sweep(result, injection)

    def _judge_next_sweep(self, result: RunResult, injection: Injection) -> Verdict:
        # The next digest reports what fails after this one is sent.
        self.harness.account.clock.advance(_UNTIL_NEXT_SWEEP)
        [event] = self.harness.events
        self.harness.functions.invoke(SWEEP, {**event, "id": "next-sweep"})
        self.harness.deliver_self_invocations()
        after = self.observations.result()
        if after.dead_letters:
            return self._judge_dead_letters(after, self._missing_after_sweep)
        wrong = self._wrong_notice(after)
        if not wrong and injection.duration is Duration.TRANSIENT:
            wrong = self._missing_after_sweep(after)
        if not wrong and not _failures(result) and not _failures(after):
            wrong = "no digest names what failed"
        return Verdict(Outcome.BAD, f"next sweep: {wrong}") if wrong else Verdict(Outcome.NOTICE)

    def _judge_teardown(self, result: RunResult) -> Verdict:
        statuses = {response["Status"] for response in result.responses}
        if not statuses or (self.baseline.sweep_requests and not result.sweep_requests):
            if "TeardownFunctionErrorsAlarm" in result.alarms:
                return Verdict(Outcome.UNANSWERED)
            why = f"responses {statuses}, {result.sweep_requests} sweeps requested, and no alarm"
            return Verdict(Outcome.BAD, why)
        if result.responses[-1]["Status"] == "FAILED":
            return Verdict(Outcome.FAILED)
        if remaining := [name for name, user in result.users.items() if user.enforced or user.tagged]:
            return Verdict(Outcome.BAD, f"SUCCESS, but {remaining} are still enforced or tagged")
        return Verdict(Outcome.REPEATED if len(result.responses) > 1 else Outcome.DONE)

    def _judge_dead_letters(self, result: RunResult, missing: Callable[[RunResult], str]) -> Verdict:
        if "DeadLetterQueueAlarm" not in result.alarms:
            return Verdict(Outcome.BAD, "a dead letter without an alarm")
        # An administrator repairs what failed, and redrives the queue.
        self.harness.repair()
        self.harness.account.clock.advance(_UNTIL_REDRIVE)
        self.harness.redrive()
        after = self.observations.result()
        if after.dead_letters:
            return Verdict(Outcome.BAD, "the event fails again although the fault has ended")
        wrong = self._wrong_notice(after) or missing(after)
        return Verdict(Outcome.BAD, f"after the redrive: {wrong}") if wrong else Verdict(Outcome.DEAD_LETTER)

    def _once_or_repeated(self, result: RunResult, injection: Injection) -> Verdict:
        expected = Counter(each.identity for each in self.baseline.notices)
        more = Counter(each.identity for each in result.notices) - expected
        if not more:
            return Verdict(Outcome.DONE)
        response_lost = injection.call.operation == "Publish" and injection.fault is Fault.TIMEOUT
        repeated = set(more) <= set(expected)
        if repeated and not _crashed(result) and not response_lost:
            return Verdict(Outcome.BAD, f"sent more than once: {dict(more)}")
        return Verdict(Outcome.REPEATED if repeated else Outcome.DONE)

    def _user_deleted(self, result: RunResult) -> bool:
        return bool(set(self.baseline.users) - set(result.users))

    def _missing_after_event(self, result: RunResult) -> str:
        """Return what is not in the required state or was not reported, or an empty text."""
        if self.harness.scenario.function == ALERT and result.users != self.users_before:
            return "AlertFunction changed a user"
        subjects = {name: user for name, user in result.users.items() if name == SUBJECT}
        for name, user in subjects.items():
            if self.harness.scenario.function == USER and not user.as_required:
                return f"{name} is not in the required state: {user}"
        unsent = {each.identity for each in self.baseline.notices} - {each.identity for each in result.notices}
        if unsent and not self._reported_differently(result):
            return f"never sent: {sorted(unsent)}"
        for name, user in subjects.items():
            named, expected = _named_credentials(result, name, user), _named_credentials(self.baseline, name, user)
            if not expected <= named:
                return f"no notice names {sorted(expected - named)} of {name}"
        return ""

    def _reported_differently(self, result: RunResult) -> bool:
        """Return whether the subject lost credentials, so that another notice is right, and it was sent."""
        user, expected = result.users.get(SUBJECT), self.baseline.users.get(SUBJECT)
        changed = user and expected and (user.password, user.keys) != (expected.password, expected.keys)
        return bool(changed) and any(each.subject == SUBJECT for each in result.notices)

    def _missing_after_sweep(self, result: RunResult) -> str:
        """Return which user is in the wrong state or was changed without a report, or an empty text."""
        sections = (section for each in result.notices for section in each.data["sections"].values())
        lines = [line for section in sections for line in section["lines"]]
        for name in result.users:
            if missing := self._missing_of_user(name, result, lines):
                return missing
        if not result.notices:
            return "no digest"
        # If a sweep crashes before it counts itself, the heartbeat's alarm follows.
        counted = {name for each in self.harness.functions.attempts for (_, name), _ in each.metrics()}
        return "" if _crashed(result) or "SweepFinished" in counted else "no heartbeat"

    def _missing_of_user(self, name: str, result: RunResult, lines: list[str]) -> str:
        user, expected = result.users[name], self.baseline.users[name]
        if not user.as_required:
            return f"{name} is not in the required state: {user}"
        if {key: expected.keys[key] for key in user.keys} != user.keys:
            return f"{name} has the keys {user.keys}"
        reported = user == self.users_before[name] or any(name in line for line in lines)
        return "" if reported else f"{name} was changed without a report"

    def _wrong_notice(self, result: RunResult) -> str:
        """Return which notice was false, or less severe than in the run without a fault, or an empty text."""
        return next(_wrong_notices(result, self.baseline), "")


# What must be true when a notice of a kind is sent about a user.
TRUE_NOTICES: Final[Mapping[str, Callable[[ObservedUser], bool]]] = {
    "noncompliant": lambda user: not user.device and user.enforced,
    "new-credential": lambda user: not user.device,
    "solved": lambda user: user.device,
    "decision": lambda user: not user.enforced and not user.password and user.key_in_use,
    "enforcement-removed": lambda user: user.enforced,
    "tags-changed": lambda user: not user.exempt,
    "enforced": lambda user: user.enforced and user.device,
    "released": lambda user: user.exempt and not user.enforced,
    "not-enforced": lambda user: not user.enforced,
    "not-tagged": lambda user: not user.tagged,
}
_SEVERITIES: Final = ("low", "medium", "high", "critical")


def _wrong_notices(result: RunResult, baseline: RunResult) -> Iterator[str]:
    for notice in result.notices:
        user = notice.users.get(notice.subject)
        if user and notice.kind in TRUE_NOTICES and not TRUE_NOTICES[notice.kind](user):
            yield f"a false notice {notice.kind} about {notice.subject}: {user}"
    for expected in baseline.notices:
        similar = [each for each in result.notices if each.subject == expected.subject]
        if any(each.identity == expected.identity and _same_credentials(each, expected) for each in similar):
            highest = max((each.severity for each in similar), key=_SEVERITIES.index)
            if _SEVERITIES.index(highest) < _SEVERITIES.index(expected.severity):
                yield f"a notice {expected.kind} of severity {highest} instead of {expected.severity}"


def _same_credentials(one: SentNotice, other: SentNotice) -> bool:
    """Return whether the subjects of two notices had the same credentials."""
    first, second = one.users.get(one.subject), other.users.get(other.subject)
    if not first or not second:
        return first == second
    return (first.password, first.keys, first.device) == (second.password, second.keys, second.device)


def _named_credentials(result: RunResult, name: str, user: ObservedUser) -> set[str]:
    """Return which of a user's credentials the notices about the user name."""
    texts = [each.text for each in result.notices if each.subject == name]
    keys = {key for key in user.keys if any(re.search(rf"access key {key}|{key} \(", text) for text in texts)}
    password = user.password and any("a console password" in text for text in texts)
    return keys | ({"password"} if password else set())


def _failures(result: RunResult) -> list[str]:
    return [line for each in result.notices for line in each.data["sections"].get("failures", {}).get("lines", [])]


def _crashed(result: RunResult) -> bool:
    return any(isinstance(each.error, Crash) for each in result.attempts)
