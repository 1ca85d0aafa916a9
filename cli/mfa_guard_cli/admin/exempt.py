"""Exemptions: who has one and whether it counts, recording one, deleting one."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import typer

from mfa_guard.core.exemption import Exemption, MalformedExemption
from mfa_guard.core.times import utc_text
from mfa_guard_cli.admin.exemption_records import ExemptionRecords, end_of, in_words, new_exemption
from mfa_guard_cli.admin.guard import Guard, open_guard
from mfa_guard_cli.common.admin_options import user_name
from mfa_guard_cli.common.errors import FOUND, WrongUse
from mfa_guard_cli.common.options import Format, RowFormat
from mfa_guard_cli.common.outcome import Outcome, ask, tell
from mfa_guard_cli.common.output import print_csv, print_json, print_table, printable
from mfa_guard_cli.common.stack_location import StackLocation

_HEADINGS: Final = ("USER", "USER ID", "STATE", "UNTIL", "OWNER", "REASON", "RECORDED BY", "PROBLEM")
_COLUMNS: Final = ("user", "user_id", "state", "until", "owner", "reason", "created_by", "problem")
_SEVERAL: Final = 2


@dataclass(frozen=True)
class Terms:
    """What an administrator gives: who answers for it, why, and how long."""

    owner: str
    reason: str
    days: int | None
    until: str | None


def list_exemptions(place: StackLocation, form: RowFormat) -> None:
    """Print every record of the table. Ends with exit code 1 when one of them is malformed."""
    guard = open_guard(place)
    now = guard.now()
    records = guard.exemption_list.all(now)
    names = _names(guard)
    rows = [_row(user_id, record, names.get(user_id), now) for user_id, record in sorted(records.items())]
    if form is RowFormat.JSON:
        print_json([dict(zip(_COLUMNS, row, strict=True)) for row in rows])
    elif form is RowFormat.CSV:
        print_csv(_COLUMNS, rows)
    else:
        print_table(_HEADINGS, rows)
        if prefixes := guard.settings.exempt_path_prefixes:
            typer.echo(printable(f"Exempt without a record: users below {', '.join(prefixes)} (ExemptPathPrefixes)."))
    if any(isinstance(record, MalformedExemption) for record in records.values()):
        raise typer.Exit(FOUND)


def _names(guard: Guard) -> dict[str, str]:
    pages = guard.iam.get_paginator("list_users").paginate(PaginationConfig={"PageSize": 1000})
    return {user["UserId"]: user["UserName"] for page in pages for user in page["Users"]}


def _row(user_id: str, record: Exemption | MalformedExemption, name: str | None, now: datetime) -> tuple[str, ...]:
    if isinstance(record, MalformedExemption):
        return (name or "", user_id, "malformed", "", "", "", "", record.problem)
    state = "user gone" if name is None else "valid" if record.in_force(now) else "expired"
    until = utc_text(record.expires_at)
    return (name or record.user_name, user_id, state, until, record.owner, record.reason, record.created_by, "")


def add_exemption(name: str, terms: Terms, place: StackLocation, form: Format, *, yes: bool) -> None:
    """Record an exemption for a user's immutable id."""
    guard = open_guard(place)
    now = guard.now()
    state = guard.user(name)
    exemption = new_exemption(
        state.id,
        state.name,
        owner=terms.owner,
        reason=terms.reason,
        created_by=guard.caller(),
        end=end_of(terms.days, terms.until, now),
        now=now,
    )
    earlier = guard.exemptions.get(state.id, now)
    plan = [
        f"{state.name} (id {state.id}) will be exempt {in_words(exemption)}.",
        "If the policy binds this user, the guard takes it off at the next event or, in Mode: all, by the next sweep.",
    ]
    if isinstance(earlier, Exemption):
        plan.append(f"This replaces the exemption {in_words(earlier)}.")
    if isinstance(earlier, MalformedExemption):
        plan.append(f"This replaces a record that does not count. {earlier.problem}")
    ask(plan, f"Exempt {state.name}?", yes=yes)
    ExemptionRecords(guard.dynamodb, guard.settings.exemptions_table).put(exemption)
    tell(
        Outcome(
            done=[f"{state.name} is exempt {in_words(exemption)}."],
            notes=[
                f"To release at once: {place.command('release', state.name)}",
                "When it ends, the exemption binds again: the next event or, in Mode: all, the next sweep enforces.",
            ],
            back=[_again(earlier, place) or place.command("exempt", "remove", state.name)],
            facts={"user": state.name, "user_id": state.id, "until": utc_text(exemption.expires_at)},
        ),
        form,
    )


def remove_exemption(name: str, place: StackLocation, form: Format, *, yes: bool) -> None:
    """Delete the record of a user, who may be gone, by his name or id."""
    guard = open_guard(place)
    now = guard.now()
    user_id, record = _found(user_name(name), guard, now)
    if isinstance(record, Exemption):
        words = f"The exemption of {record.user_name} (id {user_id}), {in_words(record)},"
    else:
        words = f"The record of user id {user_id}, which does not count ({record.problem.rstrip('.')}),"
    ask([f"{words} will be deleted."], f"Delete the record of {name}?", yes=yes)
    ExemptionRecords(guard.dynamodb, guard.settings.exemptions_table).delete(user_id)
    again = _again(record, place)
    tell(
        Outcome(
            done=[f"{words} is deleted."],
            notes=["The next event about this user or, in Mode: all, the next sweep enforces what the plan demands."],
            back=[again] if again else [],
            facts={"user_id": user_id},
        ),
        form,
    )


def _found(name: str, guard: Guard, now: datetime) -> tuple[str, Exemption | MalformedExemption]:
    """Return the record that a name or an id means: whoever is called so now, else whoever was when it was made."""
    records = guard.exemption_list.all(now)
    try:
        living = guard.user(name).id
    except WrongUse:
        living = name
    if living in records:
        return living, records[living]
    if name in records:
        return name, records[name]
    # Only of users who are gone: somebody else may be called what a renamed user was called.
    present = _names(guard).keys()
    named = [
        (user_id, each)
        for user_id, each in records.items()
        if isinstance(each, Exemption) and each.user_name == name and user_id not in present
    ]
    if len(named) >= _SEVERAL:
        ids = ", ".join(sorted(user_id for user_id, _ in named))
        raise WrongUse(f"Several users who are gone were called {name}; give one of their ids: {ids}.")
    if not named:
        raise WrongUse(f"There is no exemption of {name}; mfa-guard exempt list shows those there are.")
    return named[0]


def _again(record: Exemption | MalformedExemption | None, place: StackLocation) -> str | None:
    """Return the command that records it once more, under one's own name."""
    if not isinstance(record, Exemption):
        return None
    options = ["--owner", record.owner, "--reason", record.reason, "--until", utc_text(record.expires_at)]
    return place.command("exempt", "add", record.user_name, options=options)
