"""List, record and delete exemptions."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import typer

from mfa_guard.core.exemption import Exemption, MalformedExemption
from mfa_guard.core.times import utc_text
from mfa_guard_cli.admin.exemption_records import ExemptionOptions, ExemptionRecords, in_words, new_exemption
from mfa_guard_cli.admin.guard import Guard, check_user_name, open_guard
from mfa_guard_cli.common.errors import FOUND, WrongUse
from mfa_guard_cli.common.options import Format, RowFormat
from mfa_guard_cli.common.outcome import Outcome, confirm_changes, print_outcome
from mfa_guard_cli.common.output import print_rows, printable
from mfa_guard_cli.common.stack_location import StackLocation

_COLUMNS: Final[Mapping[str, str]] = {
    "user": "USER",
    "user_id": "USER ID",
    "state": "STATE",
    "until": "UNTIL",
    "owner": "OWNER",
    "reason": "REASON",
    "created_by": "RECORDED BY",
    "problem": "PROBLEM",
}


def list_exemptions(location: StackLocation, output_format: RowFormat) -> None:
    """Print all records of the exemption table. Exits with 1 if a record is malformed."""
    guard = open_guard(location)
    now = guard.now()
    records = guard.exemption_list.all(now)
    names = _user_names(guard)
    print_rows(
        _COLUMNS,
        [_row(user_id, record, names.get(user_id), now) for user_id, record in sorted(records.items())],
        output_format,
    )
    if output_format == "table" and (prefixes := guard.settings.exempt_path_prefixes):
        typer.echo(printable(f"Users below {', '.join(prefixes)} are exempt without a record (ExemptPathPrefixes)."))
    if any(isinstance(record, MalformedExemption) for record in records.values()):
        raise typer.Exit(FOUND)


def _user_names(guard: Guard) -> dict[str, str]:
    """Return the names of the account's users by ID."""
    pages = guard.iam.get_paginator("list_users").paginate(PaginationConfig={"PageSize": 1000})
    return {user["UserId"]: user["UserName"] for page in pages for user in page["Users"]}


def _row(user_id: str, record: Exemption | MalformedExemption, name: str | None, now: datetime) -> tuple[str, ...]:
    if isinstance(record, MalformedExemption):
        return (name or "", user_id, "malformed", "", "", "", "", record.problem)
    state = "user gone" if name is None else "valid" if record.in_force(now) else "expired"
    until = utc_text(record.expires_at)
    return (name or record.user_name, user_id, state, until, record.owner, record.reason, record.created_by, "")


def add_exemption(
    name: str, options: ExemptionOptions, location: StackLocation, output_format: Format, *, yes: bool
) -> None:
    """Record an exemption for a user's immutable ID."""
    guard = open_guard(location)
    now = guard.now()
    state = guard.user(name)
    exemption = new_exemption(state.id, state.name, options, created_by=guard.caller(), end=options.end(now), now=now)
    earlier = guard.exemptions.get(state.id, now)
    changes = [
        f"{state.name} (ID {state.id}) will be exempt {in_words(exemption)}.",
        "If the user is enforced, the guard releases them at the next event or in the next sweep.",
    ]
    if isinstance(earlier, Exemption):
        changes.append(f"This replaces the exemption {in_words(earlier)}.")
    if isinstance(earlier, MalformedExemption):
        changes.append(f"This replaces a malformed record, which exempts no user. {earlier.problem}")
    confirm_changes(changes, f"Exempt {state.name}?", yes=yes)
    ExemptionRecords(guard.dynamodb, guard.settings.exemptions_table).put(exemption)
    print_outcome(
        Outcome(
            done=[f"{state.name} is exempt {in_words(exemption)}."],
            notes=[
                f"To release the user at once: {location.command('release', state.name)}",
                "When it ends, the guard enforces again at the next event or in the next sweep.",
            ],
            undo=[_record_again(earlier, location) or location.command("exempt", "remove", state.name)],
            facts={"user": state.name, "user_id": state.id, "until": utc_text(exemption.expires_at)},
        ),
        output_format,
    )


def remove_exemption(name: str, location: StackLocation, output_format: Format, *, yes: bool) -> None:
    """Delete the record of a user, by name or ID. The user can be deleted already."""
    guard = open_guard(location)
    user_id, record = _find(check_user_name(name), guard, guard.now())
    if isinstance(record, Exemption):
        subject = f"The exemption of {record.user_name} (ID {user_id}), {in_words(record)},"
    else:
        subject = f"The record of user ID {user_id}, which is malformed ({record.problem.rstrip('.')}),"
    confirm_changes([f"{subject} will be deleted."], f"Delete the record of {name}?", yes=yes)
    ExemptionRecords(guard.dynamodb, guard.settings.exemptions_table).delete(user_id)
    again = _record_again(record, location)
    print_outcome(
        Outcome(
            done=[f"{subject} was deleted."],
            notes=["The guard enforces as planned at the next event about the user, or if in scope in the next sweep."],
            undo=[again] if again else [],
            facts={"user_id": user_id},
        ),
        output_format,
    )


def _find(name: str, guard: Guard, now: datetime) -> tuple[str, Exemption | MalformedExemption]:
    """Return the record of a name or ID: of the user who has the name now, else of a deleted user who had it."""
    records = guard.exemption_list.all(now)
    try:
        existing = guard.user(name).id
    except WrongUse:
        existing = name
    if existing in records:
        return existing, records[existing]
    if name in records:
        return name, records[name]
    # Only deleted users: another user can have the old name of a renamed user.
    present = _user_names(guard).keys()
    deleted = [
        (user_id, each)
        for user_id, each in records.items()
        if isinstance(each, Exemption) and each.user_name == name and user_id not in present
    ]
    if not deleted:
        raise WrongUse(f"There is no exemption of {name}; to list the exemptions: mfa-guard exempt list")
    if len(deleted) > 1:
        ids = ", ".join(sorted(user_id for user_id, _ in deleted))
        raise WrongUse(f"Several deleted users had the name {name}; give one of their IDs: {ids}.")
    return deleted[0]


def _record_again(record: Exemption | MalformedExemption | None, location: StackLocation) -> str | None:
    """Return the command that records an exemption again, with the caller as its author."""
    if not isinstance(record, Exemption):
        return None
    options = ["--owner", record.owner, "--reason", record.reason, "--until", utc_text(record.expires_at)]
    return location.command("exempt", "add", record.user_name, options=options)
