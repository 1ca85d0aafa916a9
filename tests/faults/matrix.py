"""The matrix: every call of every scenario under every fault, and what each cell ends in.

Whoever judges a cell looks at moto's books, at what the topics sent, at the queue and at the metrics in the logs, and
asks nothing of the code under test.
"""

import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, Final

from moto.dynamodb.models import dynamodb_backends

from faults.alarms import Datapoint, raised
from faults.lambda_service import Attempt
from faults.scenarios import ALERT, SUBJECT, SWEEP, TEARDOWN, USER, Scenario
from faults.stage import Stage
from faults.wire import Call, Fault, Injection, Span
from mfa_guard.core.user import SINCE_TAG, STATUS_TAG
from support.fakes import Crash

_IN_USE: Final = timedelta(days=90)
# `make test` runs this many cells of each call, chosen by a fixed seed. `make faults` runs all of them.
SAMPLE: Final = 2
_SEED: Final = 1

# What answers NoSuchEntity when there is nothing (left) to do, which is all that the guard can know. A sweep only comes
# to what has been there for a while.
_TAKEN_AT_ITS_WORD: Final = {
    USER: frozenset({"GetUser", "GetLoginProfile", "GetAccessKeyLastUsed", "DetachUserPolicy"}),
    SWEEP: frozenset({"DetachUserPolicy", "TagUser", "UntagUser", "UpdateAccessKey"}),
    TEARDOWN: frozenset({"ListEntitiesForPolicy", "GetGroup"}),
    ALERT: frozenset[str](),
}
_LATER: Final = timedelta(hours=1)
_NEXT_SWEEP: Final = timedelta(days=1)


class Outcome(Enum):
    """What a cell ends in: how the table shows it, and what that means."""

    DONE = ("+", "done: everybody stands as he should, and every notice of an undisturbed run went out once")
    REPEATED = ("2", "done, with a notice that went out more than once")
    DEAD_LETTER = ("D", "in the dead-letter queue, whose alarm is raised; sent to the function again, it is done")
    NOTICE = ("N", "a notice says what could not be done, and an alarm is raised")
    NOTHING = ("0", "nothing to do: whom it was about is gone, in moto's own books")
    FAILED = ("F", "CloudFormation got the answer FAILED with the reason")
    UNANSWERED = ("A", "an alarm is raised: the request got no answer, and CloudFormation itself fails it, or no sweep")
    IMPOSSIBLE = (".", "no such fault: IAM hides for a moment what is new, and never what was there before")
    BAD = ("!", "silence, a wrong notice or a lost notice")

    @property
    def letter(self) -> str:
        """Return what the table shows."""
        return self.value[0]

    @property
    def meaning(self) -> str:
        """Return what the legend says."""
        return self.value[1]


@dataclass(frozen=True)
class Cell:
    """One call under one fault, and what it ended in. `why`: what was wrong, for BAD."""

    scenario: str
    call: Call
    nth: int
    fault: Fault
    span: Span
    outcome: Outcome
    why: str = ""

    def __str__(self) -> str:
        """Return it for a person."""
        where = f"{self.scenario}: {self.call} ({self.nth}), {self.fault}, {self.span}"
        return f"{where}: {self.outcome.name}{f': {self.why}' if self.why else ''}"


@dataclass(frozen=True)
class Stands:
    """One user as moto has him. `keys`: the ids of his keys, and whether they are active."""

    bound: bool
    tagged: bool
    device: bool
    password: bool
    exempt: bool
    keys: Mapping[str, bool]
    key_at_work: bool

    @property
    def as_demanded(self) -> bool:
        """Tell whether he stands as the README's table says."""
        if self.exempt:
            return not self.bound and not self.tagged
        machine = not self.password and self.key_at_work
        return (self.bound or machine) and self.tagged == (not self.device)


@dataclass(frozen=True)
class Told:
    """One notice. `truths`: how everybody stood when it was published."""

    topic: str
    kind: str
    severity: str
    about: str
    text: str
    data: Mapping[str, Any]
    truths: Mapping[str, Stands]

    @property
    def fact(self) -> tuple[str, str, str]:
        """Return what may not be lost."""
        return self.topic, self.kind, self.about


@dataclass(frozen=True)
class Ending:
    """How a run ended."""

    users: Mapping[str, Stands]
    told: tuple[Told, ...]
    letters: int
    answers: tuple[Mapping[str, str], ...]
    alarms: frozenset[str]
    woken: int
    attempts: tuple[Attempt, ...]


@dataclass
class Matrix:
    """The cells of one scenario."""

    stage: Stage
    _truths: list[Mapping[str, Stands]] = field(default_factory=list)
    _woken: int = 0

    def __post_init__(self) -> None:
        self.stage.wire.observe = self._observe
        self.undisturbed = self._run(None)
        self.rows = _rows(self.stage.wire.made, self.stage.scenario)
        self.before = self._standing_before()

    def cells(self, sample: int | None = None, *, part: int = 0, parts: int = 1) -> Iterator[Cell]:
        """Yield the cells, row by row, or one part of several; with `sample`, so many cells of each row."""
        return (self.cell(*each) for each in self.planned(sample)[part::parts])

    def planned(self, sample: int | None = None) -> list[tuple[Call, int, Fault, Span]]:
        """Return the call, its number, the fault and the span of each cell."""
        columns = [(fault, span) for fault in Fault for span in Span]
        return [
            (call, nth, fault, span)
            for call, nth in self.rows
            for fault, span in _sampled(columns, sample, f"{self.stage.scenario.name} {call} {nth}")
        ]

    def cell(self, call: Call, nth: int, fault: Fault, span: Span) -> Cell:
        """Run the scenario with one fault."""
        injection = Injection(call, nth, fault, span)
        taken_at_its_word = _TAKEN_AT_ITS_WORD[self.stage.scenario.function] - self.stage.scenario.new
        if fault is Fault.GONE and span is Span.PASSES and call.operation in taken_at_its_word:
            return Cell(self.stage.scenario.name, call, nth, fault, span, Outcome.IMPOSSIBLE)
        ending = self._run(injection)
        outcome, why = self._judge(ending, injection)
        if not self.stage.wire.fired:
            outcome, why = Outcome.BAD, "the fault was never met"
        return Cell(self.stage.scenario.name, call, nth, fault, span, outcome, why)

    def _run(self, injection: Injection | None) -> Ending:
        self._truths, self._woken = [], 0
        self.stage.reset(injection)
        self.stage.deliver()
        return self._ending()

    def _standing_before(self) -> Mapping[str, Stands]:
        self.stage.reset(None)
        return self._users()

    def _observe(self, call: Call, params: Mapping[str, Any]) -> None:
        if call.operation == "PutEvents":
            self._woken += 1
            detail = json.loads(params["Entries"][0]["Detail"])
            if self.stage.scenario.function == SWEEP:
                event = {"id": f"sweep-round-{self._woken}", "source": "mfa-guard", "detail-type": "Sweep requested"}
                self.stage.wire.relayed.append({**event, "detail": detail})
        if call.operation == "Publish":
            self._truths.append(self._users())

    # What is true

    def _ending(self) -> Ending:
        functions = self.stage.functions
        return Ending(
            users=self._users(),
            told=tuple(self._told()),
            letters=len(functions.letters),
            answers=tuple(self.stage.wire.answers),
            alarms=raised(self.stage.account.stack, self._datapoints()),
            woken=self._woken,
            attempts=tuple(functions.attempts),
        )

    def _users(self) -> Mapping[str, Stands]:
        account = self.stage.account
        stack, iam, now = account.stack, account.iam, account.clock.now()
        policy = str(stack.resolve({"Ref": "EnforcementPolicy"}))
        group = iam.groups.get(stack.physical_id("EnforcementGroup"))
        exempt = self._exempt(now)
        return {
            name: Stands(
                bound=policy in user.managed_policies
                or (group is not None and policy in group.managed_policies and user in group.users),
                tagged=_tagged({tag["Key"]: tag["Value"] for tag in user.tags or []}, now),
                device=bool(user.mfa_devices),
                password=user.password is not None,
                exempt=user.id in exempt,
                keys={key.access_key_id: key.status == "Active" for key in user.access_keys},
                key_at_work=any(
                    key.last_used is not None and now - _aware(key.last_used.timestamp) <= _IN_USE
                    for key in user.access_keys
                ),
            )
            for name, user in iam.users.items()
        }

    def _exempt(self, now: datetime) -> frozenset[str]:
        account = self.stage.account
        tables = dynamodb_backends[account.stack.account][account.stack.region].tables
        items = (item.to_regular_json() for item in tables[account.stack.physical_id("ExemptionsTable")].all_items())
        return frozenset(item["user_id"] for item in items if datetime.fromisoformat(item["expires_at"]) > now)

    def _told(self) -> Iterator[Told]:
        stack = self.stage.account.stack
        truths = iter(self._truths)
        for topic in ("NoticesTopic", "OperationsTopic"):
            arn = str(stack.resolve({"Ref": topic}))
            for _, message, *_ in self.stage.account.sns.topics[arn].sent_notifications:
                parts = json.loads(message)
                data = json.loads(parts["default"])
                subject = data.get("subject") or {}
                yield Told(
                    topic=topic,
                    kind=data["kind"],
                    severity=data["severity"],
                    about=str(subject.get("name")),
                    text=parts["email"],
                    data=data,
                    truths=next(truths, {}),
                )

    def _datapoints(self) -> Iterator[Datapoint]:
        functions, stack, now = self.stage.functions, self.stage.account.stack, self.stage.account.clock.now()
        for (namespace, metric), value in functions.counted().items():
            yield Datapoint(namespace, metric, "mfa-guard", now, value)
        for attempt in functions.attempts:
            if attempt.error:
                yield Datapoint("AWS/Lambda", "Errors", stack.physical_id(attempt.function), attempt.at, 1)
        for letter in functions.letters:
            name = letter.queue.rpartition(":")[2]
            yield Datapoint("AWS/SQS", "ApproximateNumberOfMessagesVisible", name, now, 1)

    # What to think of it

    def _judge(self, ending: Ending, injection: Injection) -> tuple[Outcome, str]:
        if wrong := next(_wrong(ending, self.undisturbed), None):
            return Outcome.BAD, wrong
        judge = {TEARDOWN: self._judge_release, SWEEP: self._judge_sweep, ALERT: self._judge_event}
        return judge.get(self.stage.scenario.function, self._judge_event)(ending, injection)

    def _judge_event(self, ending: Ending, injection: Injection) -> tuple[Outcome, str]:
        if ending.letters:
            return self._judge_letters(ending)
        if not (missing := self._missing(ending)):
            return self._once_or_more(ending, injection)
        if ending.alarms & {"EnforcementFailedAlarm"} and any(each.severity == "critical" for each in ending.told):
            return Outcome.NOTICE, ""
        if set(self.undisturbed.users) - set(ending.users):
            return Outcome.NOTHING, ""
        return Outcome.BAD, missing

    def _judge_letters(self, ending: Ending) -> tuple[Outcome, str]:
        if "DeadLetterQueueAlarm" not in ending.alarms:
            return Outcome.BAD, "a dead letter that nobody hears of"
        # Somebody mends what failed, and sends the letter again.
        self.stage.mend()
        self.stage.account.clock.let_pass(_LATER)
        self.stage.functions.redrive()
        self.stage.follow()
        after = self._ending()
        if after.letters:
            return Outcome.BAD, "the letter fails again although nothing is wrong any more"
        if wrong := next(_wrong(after, self.undisturbed), None):
            return Outcome.BAD, f"sent again: {wrong}"
        missing = self._missing(after)
        if missing and not set(self.undisturbed.users) - set(after.users):
            return Outcome.BAD, f"sent again: {missing}"
        return Outcome.DEAD_LETTER, ""

    def _once_or_more(self, ending: Ending, injection: Injection) -> tuple[Outcome, str]:
        more = Counter(each.fact for each in ending.told) - Counter(each.fact for each in self.undisturbed.told)
        if not more:
            return Outcome.DONE, ""
        died = any(isinstance(each.error, Crash) for each in ending.attempts)
        unheard = injection.call.operation == "Publish" and injection.fault is Fault.TIMEOUT
        known = {each.fact for each in self.undisturbed.told}
        if set(more) <= known and not died and not unheard:
            return Outcome.BAD, f"told more than once: {dict(more)}"
        return Outcome.REPEATED if set(more) <= known else Outcome.DONE, ""

    def _missing(self, ending: Ending) -> str:
        """Return what is not as it should be in the end, or nothing."""
        if self.stage.scenario.function == ALERT and ending.users != self.before:
            return "AlertFunction changed somebody"
        subjects = {name: stands for name, stands in ending.users.items() if name == SUBJECT}
        for name, stands in subjects.items():
            if self.stage.scenario.function == USER and not stands.as_demanded:
                return f"{name} does not stand as demanded: {stands}"
        untold = {each.fact for each in self.undisturbed.told} - {each.fact for each in ending.told}
        if untold and not self._other_truth(ending):
            return f"never told: {sorted(untold)}"
        for name, stands in subjects.items():
            named, wanted = _named(ending, name, stands), _named(self.undisturbed, name, stands)
            if not wanted <= named:
                return f"never told of {name}: {sorted(wanted - named)}"
        return ""

    def _other_truth(self, ending: Ending) -> bool:
        """Tell whether what went of the subject makes another notice the right one, and that went out."""
        stands, before = ending.users.get(SUBJECT), self.undisturbed.users.get(SUBJECT)
        changed = stands and before and (stands.password, stands.keys) != (before.password, before.keys)
        return bool(changed) and any(each.about == SUBJECT for each in ending.told)

    def _judge_sweep(self, ending: Ending, injection: Injection) -> tuple[Outcome, str]:
        if ending.letters:
            return self._judge_letters_of_sweep(ending)
        if not (missing := self._missing_in_sweep(ending)):
            return self._once_or_more(ending, injection)
        return (
            self._judge_failures(ending, injection) if "SweepFailuresAlarm" in ending.alarms else (Outcome.BAD, missing)
        )

    def _judge_failures(self, ending: Ending, injection: Injection) -> tuple[Outcome, str]:
        # What comes after the mail is told by the next sweep's.
        said = self._failures(ending)
        self.stage.account.clock.let_pass(_NEXT_SWEEP)
        self._sweep_again("sweep-of-tomorrow")
        after = self._ending()
        if after.letters:
            return self._judge_letters_of_sweep(after)
        passed = injection.span is Span.PASSES
        missing = next(_wrong(after, self.undisturbed), None) or (self._missing_in_sweep(after) if passed else "")
        unsaid = "" if said or self._failures(after) else "no digest names what failed"
        wrong = missing or unsaid
        return (Outcome.BAD, f"next sweep: {wrong}") if wrong else (Outcome.NOTICE, "")

    def _judge_letters_of_sweep(self, ending: Ending) -> tuple[Outcome, str]:
        if "DeadLetterQueueAlarm" not in ending.alarms:
            return Outcome.BAD, "a dead letter that nobody hears of"
        self.stage.mend()
        self.stage.account.clock.let_pass(_LATER)
        self.stage.functions.redrive()
        self.stage.follow()
        after = self._ending()
        if after.letters:
            return Outcome.BAD, "the letter fails again although nothing is wrong any more"
        missing = next(_wrong(after, self.undisturbed), None) or self._missing_in_sweep(after)
        return (Outcome.BAD, f"sent again: {missing}") if missing else (Outcome.DEAD_LETTER, "")

    def _sweep_again(self, request: str) -> None:
        [event] = self.stage.events
        self.stage.functions.invoke(SWEEP, {**event, "id": request})
        self.stage.follow()

    def _failures(self, ending: Ending) -> list[str]:
        return [line for each in ending.told for line in each.data["sections"].get("failures", {}).get("lines", [])]

    def _missing_in_sweep(self, ending: Ending) -> str:
        """Return who stands wrong, and who was changed without a word."""
        lines = [line for each in ending.told for part in each.data["sections"].values() for line in part["lines"]]
        died = any(isinstance(each.error, Crash) for each in ending.attempts)
        counted = {name for _, name in self.stage.functions.counted()}
        return next(
            iter(
                (
                    *(found for name in ending.users if (found := self._missing_of(name, ending, lines))),
                    *(["no digest"] if not ending.told else []),
                    # Of one that died before it could count, the heartbeat's alarm tells after 26 hours.
                    *(["no heartbeat"] if not died and "SweepFinished" not in counted else []),
                    "",
                )
            )
        )

    def _missing_of(self, name: str, ending: Ending, lines: list[str]) -> str:
        stands, undisturbed = ending.users[name], self.undisturbed.users[name]
        if not stands.as_demanded:
            return f"{name} does not stand as demanded: {stands}"
        if {key: undisturbed.keys[key] for key in stands.keys} != stands.keys:
            return f"{name} has keys {stands.keys}"
        told = stands == self.before[name] or any(name in line for line in lines)
        return "" if told else f"{name} was changed and never told of"

    def _judge_release(self, ending: Ending, injection: Injection) -> tuple[Outcome, str]:  # noqa: ARG002
        held = [name for name, stands in ending.users.items() if stands.bound or stands.tagged]
        statuses = {answer["Status"] for answer in ending.answers}
        alarmed = "TeardownFunctionErrorsAlarm" in ending.alarms
        if not statuses or (self.undisturbed.woken and not ending.woken):
            unheard = f"answers {statuses}, sweeps asked for {ending.woken}, and no alarm"
            return (Outcome.UNANSWERED, "") if alarmed else (Outcome.BAD, unheard)
        if ending.answers[-1]["Status"] == "FAILED":
            return Outcome.FAILED, ""
        if held:
            return Outcome.BAD, f"success, while {held} are held"
        return (Outcome.REPEATED if len(ending.answers) > 1 else Outcome.DONE), ""


def _rows(made: list[Call], scenario: Scenario) -> list[tuple[Call, int]]:
    """Return every call with its number among those alike; of a call for each of many rules, the first and the last."""
    seen: Counter[Call] = Counter()
    rows = []
    for call in made:
        seen[call] += 1
        if not scenario.only or call.operation in scenario.only:
            rows.append((call, seen[call]))
    loop = [row for row in rows if row[0].operation == "ListTargetsByRule"]
    return [row for row in rows if row not in loop or row in (loop[0], loop[-1])]


def _aware(time: datetime) -> datetime:
    # moto's own times are UTC and do not say so.
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _tagged(tags: Mapping[str, str], now: datetime) -> bool:
    since = tags.get(SINCE_TAG)
    return tags.get(STATUS_TAG) == "noncompliant" and since is not None and datetime.fromisoformat(since) <= now


# What has to be so when a notice of a kind goes out about somebody.
_TRUE: Final[Mapping[str, Callable[[Stands], bool]]] = {
    "noncompliant": lambda user: not user.device and user.bound,
    "new-credential": lambda user: not user.device,
    "solved": lambda user: user.device,
    "decision": lambda user: not user.bound and not user.password and user.key_at_work,
    "enforcement-removed": lambda user: user.bound,
    "tags-changed": lambda user: not user.exempt,
    "enforced": lambda user: user.bound and user.device,
    "released": lambda user: user.exempt and not user.bound,
    "not-enforced": lambda user: not user.bound,
    "not-tagged": lambda user: not user.tagged,
}


def _wrong(ending: Ending, undisturbed: Ending) -> Iterator[str]:
    """Yield the notices that were not true, and those that weigh less than they should."""
    for each in ending.told:
        stands = each.truths.get(each.about)
        if stands and each.kind in _TRUE and not _TRUE[each.kind](stands):
            yield f"a notice {each.kind} about {each.about}, who stands so: {stands}"
    for each in undisturbed.told:
        similar = [other for other in ending.told if other.about == each.about]
        if any(other.fact == each.fact and _same(other, each) for other in similar):
            heaviest = max((other.severity for other in similar), key=_ORDER.index)
            if _ORDER.index(heaviest) < _ORDER.index(each.severity):
                yield f"a notice {each.kind} of severity {heaviest} instead of {each.severity}"


_ORDER: Final = ("low", "medium", "high", "critical")


def _same(one: Told, other: Told) -> bool:
    """Tell whether whom two notices are about had the same credentials."""
    first, second = one.truths.get(one.about), other.truths.get(other.about)
    if not first or not second:
        return first == second
    return (first.password, first.keys, first.device) == (second.password, second.keys, second.device)


def _named(ending: Ending, name: str, stands: Stands) -> set[str]:
    """Return which of a user's credentials the notices about him name."""
    texts = [each.text for each in ending.told if each.about == name]
    keys = {key for key in stands.keys if any(re.search(rf"access key {key}|{key} \(", text) for text in texts)}
    password = stands.password and any("a console password" in text for text in texts)
    return keys | ({"password"} if password else set())


def _sampled(columns: list[tuple[Fault, Span]], sample: int | None, row: str) -> list[tuple[Fault, Span]]:
    """Return `sample` of a row's columns in their order; other rows meet other faults."""
    if sample is None:
        return columns
    chosen = random.Random(f"{_SEED} {row}").sample(range(len(columns)), sample)  # noqa: S311
    return [columns[index] for index in sorted(chosen)]
