"""Route recorded events through the template's rules: which functions they invoke, and which users they are about."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, TypeAlias

from mfa_guard.core.alerts import parse_alert
from mfa_guard.core.cloudtrail import EventNotUnderstood, Subject, actor_of, parse_user_event, subject_of
from mfa_guard.core.partitions import partition_of
from mfa_guard_cli.stack.event_pattern import Matcher, candidates, compile_pattern
from mfa_guard_cli.stack.records import BrokenRecord, envelope_of
from mfa_guard_cli.stack.template import SAMPLE_ACCOUNT, Rule, Stack, Template, is_account_id

Fields: TypeAlias = Mapping[str, object]

# How each function parses the records that invoke it.
_PARSERS: Final[Mapping[str, Callable[[Fields], object]]] = {
    "UserEventFunction": parse_user_event,
    "AlertFunction": parse_alert,
}
# How many stacks, and how many rules compiled for one stack, are kept for later records. Each has some kilobytes.
_KEPT: Final = 4096


@dataclass(frozen=True)
class Routed:
    """One record: the rules it matches, the functions that they invoke, its subject and its actor."""

    event_id: str | None = None
    event_name: str | None = None
    event_source: str | None = None
    rules: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    subject: Subject | None = None
    actor: str = "unknown"
    problem: str | None = None

    def as_json(self) -> str:
        """Return the record's line of JSON, in ASCII."""
        subject = self.subject
        return json.dumps(
            {
                "event_id": self.event_id,
                "event_name": self.event_name,
                "event_source": self.event_source,
                "rules": self.rules,
                "functions": self.functions,
                "subject": {
                    "kind": subject.kind.value if subject else None,
                    "name": subject.name if subject else None,
                    "id": subject.id if subject else None,
                },
                "actor": self.actor,
                "problem": self.problem,
            }
        )


class Router:
    """The template's rules, rendered for the account and the partition of each record.

    Which rules a record can match does not depend on its account, so only those are rendered. A rule whose pattern is
    the same for all accounts is compiled once.
    """

    def __init__(self, template: Template) -> None:
        self._sample = template.render()
        rules = [rule for rule in self._sample.rules() if rule.enabled]
        self._candidates = candidates(rules)
        self._unrendered = {rule.logical_id: _unrendered(template, rule) for rule in rules}
        self._compiled = {
            rule.logical_id: compile_pattern(rule.pattern)
            for rule in rules
            if rule.pattern == self._unrendered[rule.logical_id]
        }
        self._stack = lru_cache(_KEPT)(self._render)
        self._compiled_for = lru_cache(_KEPT)(self._compile)

    def route(self, record: object) -> Routed:
        """Return what a record invokes. Never raises for a record: its `problem` says what is wrong with it."""
        try:
            return self._route(record)
        except RecursionError:
            return Routed(problem="The record is nested too deeply.")

    def _route(self, record: object) -> Routed:
        if isinstance(record, BrokenRecord):
            return Routed(problem=record.reason)
        if not isinstance(record, dict):
            return Routed(problem="The record is not an object.")
        envelope = envelope_of(record)
        detail = envelope.get("detail")
        if not isinstance(detail, dict):
            return Routed(problem="The envelope's detail is not an object.")
        rules = self._matching(envelope, detail)
        functions = tuple(dict.fromkeys(function for rule in rules for function in rule.functions))
        return Routed(
            event_id=_text(detail, "eventID"),
            event_name=_text(detail, "eventName"),
            event_source=_text(detail, "eventSource"),
            rules=tuple(rule.logical_id for rule in rules),
            functions=functions,
            subject=_subject(detail),
            actor=actor_of(detail).label,
            problem=_malformed(envelope, detail) or _not_understood(functions, detail),
        )

    def _matching(self, envelope: Fields, detail: Fields) -> list[Rule]:
        return [rule for rule in self._candidates(envelope) if self._matcher(rule, envelope, detail)(envelope)]

    def _matcher(self, rule: Rule, envelope: Fields, detail: Fields) -> Matcher:
        for_all_accounts = self._compiled.get(rule.logical_id)
        return for_all_accounts or self._compiled_for(
            rule.logical_id, _account(envelope, detail), _home(envelope, detail)
        )

    def _compile(self, rule: str, account: str, region: str) -> Matcher:
        return compile_pattern(self._stack(account, region).resolve(self._unrendered[rule]))

    def _render(self, account: str, region: str) -> Stack:
        # The parameters were checked once, and the template's Rules do not restrict where a record comes from.
        return replace(self._sample, account=account, region=region)


def _unrendered(template: Template, rule: Rule) -> object:
    properties = template.section("Resources")[rule.logical_id]["Properties"]
    return properties["EventPattern"] if isinstance(properties, dict) else None


def _account(envelope: Fields, detail: Fields) -> str:
    identity = detail.get("userIdentity")
    acting = identity.get("accountId") if isinstance(identity, dict) else None
    accounts = (detail.get("recipientAccountId"), envelope.get("account"), acting)
    return next((account for account in accounts if is_account_id(account)), SAMPLE_ACCOUNT)


def _home(envelope: Fields, detail: Fields) -> str:
    """Return the region that the stack would be deployed in, in the record's account."""
    return partition_of(_text(detail, "awsRegion") or _text(envelope, "region") or "").home_region


def _subject(detail: Fields) -> Subject | None:
    try:
        return subject_of(detail)
    except EventNotUnderstood:
        return None


def _malformed(envelope: Fields, detail: Fields) -> str | None:
    """Return why the record is not a CloudTrail record, or None. An event of another source need not be one."""
    kind = envelope.get("detail-type")
    if "eventName" not in detail and isinstance(kind, str) and not kind.endswith("via CloudTrail"):
        return None
    for field in ("eventName", "eventSource"):
        if not _text(detail, field):
            return f"The record's {field} is {'not a string' if detail.get(field) else 'missing'}."
    return "The record's eventID is not a string." if not isinstance(detail.get("eventID"), str | None) else None


def _not_understood(functions: Sequence[str], detail: Fields) -> str | None:
    """Return why an invoked function cannot use the record, or None."""
    try:
        for function in functions:
            if function in _PARSERS:
                _PARSERS[function](detail)
    except EventNotUnderstood as error:
        return str(error)
    return None


def _text(fields: Fields, key: str) -> str | None:
    value = fields.get(key)
    return value if isinstance(value, str) else None
