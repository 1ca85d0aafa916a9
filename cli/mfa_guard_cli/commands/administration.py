"""The administrator's commands as the command line takes them. What each does is imported when it is called."""

from typing import Annotated

import typer

from mfa_guard_cli.common.admin_options import Days, Owner, Reason, StackRegion, Until, User
from mfa_guard_cli.common.errors import WrongUse
from mfa_guard_cli.common.options import AsFormat, AsRows, Format, Profile, RowFormat, StackName, Yes
from mfa_guard_cli.common.stack_location import StackLocation

STACK = "mfa-guard"

exempt = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Decide who is exempt: list, add, remove.")
dead_letters = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Events that could not be handled: list, redrive."
)


def register(app: typer.Typer) -> None:
    """Add the administrator's commands to the program."""
    for command in (status, explain):
        app.command()(command)
    app.add_typer(exempt, name="exempt")
    for command in (release, enforce, sweep):
        app.command()(command)
    app.add_typer(dead_letters, name="dead-letters")
    for command in (stop, start):
        app.command()(command)


def status(
    *, stack: StackName = STACK, region: StackRegion = None, profile: Profile = None, form: AsFormat = Format.TABLE
) -> None:
    """Show the guard's health as a sweep sees it, how the account stands, and who waits for a decision.

    Reads only, with your own rights. Passkeys, passwords and the use of keys come from IAM's credential report, up to
    four hours late. Exit codes: 0 the guard is well, 1 it has a problem or is stopped, 2 wrong use, 3 AWS said no.
    """
    from mfa_guard_cli.admin.status import show_status

    show_status(StackLocation(profile, region, stack), form)


def explain(
    user: User,
    *,
    stack: StackName = STACK,
    region: StackRegion = None,
    profile: Profile = None,
    form: AsFormat = Format.TABLE,
) -> None:
    """Tell how a user stands, what the guard would do and by which rule, and what the user can do now.

    Reads only, from IAM at this moment. What the user can do is IAM's own simulation (SimulatePrincipalPolicy) with an
    access key alone, in a console session without MFA, and with MFA. Exit codes: 0 told, 2 no such user, 3 AWS said no.
    """
    from mfa_guard_cli.admin.explain import explain_user

    explain_user(user, StackLocation(profile, region, stack), form)


@exempt.command("list")
def exempt_list(
    *, stack: StackName = STACK, region: StackRegion = None, profile: Profile = None, form: AsRows = RowFormat.TABLE
) -> None:
    """List every record of the exemption table: valid, expired, malformed, or of a user who is gone.

    Exit codes: 0 listed, 1 a record is malformed and exempts nobody, 2 wrong use, 3 AWS said no.
    """
    from mfa_guard_cli.admin.exempt import list_exemptions

    list_exemptions(StackLocation(profile, region, stack), form)


@exempt.command("add")
def exempt_add(
    user: User,
    *,
    owner: Owner,
    reason: Reason,
    days: Days = None,
    until: Until = None,
    stack: StackName = STACK,
    region: StackRegion = None,
    profile: Profile = None,
    form: AsFormat = Format.TABLE,
    yes: Yes = False,
) -> None:
    """Exempt a user, by his immutable id, for 30 days or as long as you say, 365 at most.

    Who is bound stays so until the next event or sweep; mfa-guard release does both at once. Exit codes: 0 recorded,
    2 wrong use, 3 AWS said no.
    """
    from mfa_guard_cli.admin.exempt import Terms, add_exemption

    add_exemption(user, Terms(owner, reason, days, until), StackLocation(profile, region, stack), form, yes=yes)


@exempt.command("remove")
def exempt_remove(
    user: Annotated[
        str, typer.Argument(metavar="USER", help="Name of the IAM user, or his id (AIDA...).", show_default=False)
    ],
    *,
    stack: StackName = STACK,
    region: StackRegion = None,
    profile: Profile = None,
    form: AsFormat = Format.TABLE,
    yes: Yes = False,
) -> None:
    """Delete the exemption of a user, who may be gone.

    Exit codes: 0 deleted, 2 wrong use, such as a user without a record, 3 AWS said no.
    """
    from mfa_guard_cli.admin.exempt import remove_exemption

    remove_exemption(user, StackLocation(profile, region, stack), form, yes=yes)


def release(
    user: Annotated[
        str | None, typer.Argument(metavar="USER", help="Name of the IAM user.", show_default=False)
    ] = None,
    *,
    everybody: Annotated[bool, typer.Option("--all", help="Release every user whom the policy binds.")] = False,
    owner: Owner = "administrators",
    reason: Reason = "released with mfa-guard release",
    days: Days = None,
    until: Until = None,
    stack: StackName = STACK,
    region: StackRegion = None,
    profile: Profile = None,
    form: AsFormat = Format.TABLE,
    yes: Yes = False,
) -> None:
    """Exempt a user, then take the enforcement policy off, and no other policy or group.

    The exemption comes first, so that the release holds: 30 days unless you say otherwise, and an exemption in force is
    kept as it is. With --all, what fails for one user stops no other. Exit codes: 0 released, 2 wrong use, 3 AWS said
    no.
    """
    from mfa_guard_cli.admin.exempt import Terms
    from mfa_guard_cli.admin.release import release_everybody, release_user

    terms, place = Terms(owner, reason, days, until), StackLocation(profile, region, stack)
    if everybody and user is None:
        release_everybody(terms, place, form, yes=yes)
    elif user is not None and not everybody:
        release_user(user, terms, place, form, yes=yes)
    else:
        raise WrongUse("Name one user, or give --all, and not both.")


def enforce(
    user: User,
    *,
    drop_exemption: Annotated[bool, typer.Option("--drop-exemption", help="Delete the user's exemption first.")] = (
        False
    ),
    stack: StackName = STACK,
    region: StackRegion = None,
    profile: Profile = None,
    form: AsFormat = Format.TABLE,
    yes: Yes = False,
) -> None:
    """Bind a user now, in the way the stack is set to; what would stop working is shown first.

    Exit codes: 0 bound, 2 wrong use, such as an exempt user without --drop-exemption, 3 AWS said no.
    """
    from mfa_guard_cli.admin.enforce import enforce_user

    enforce_user(user, StackLocation(profile, region, stack), form, drop_exemption=drop_exemption, yes=yes)


def sweep(
    *,
    audit: Annotated[bool, typer.Option("--audit", help="Only report, whatever the stack's Mode.")] = False,
    stack: StackName = STACK,
    region: StackRegion = None,
    profile: Profile = None,
    form: AsFormat = Format.TABLE,
    yes: Yes = False,
) -> None:
    """Ask for a sweep of the whole account, which then runs by itself and mails what is new.

    Asks first where the sweep would change users: in Mode: all, without --audit. Exit codes: 0 asked for, 2 wrong use,
    such as a stopped guard, 3 AWS said no.
    """
    from mfa_guard_cli.admin.sweep import request_sweep

    request_sweep(StackLocation(profile, region, stack), form, audit=audit, yes=yes)


@dead_letters.command("list")
def dead_letters_list(
    *, stack: StackName = STACK, region: StackRegion = None, profile: Profile = None, form: AsRows = RowFormat.TABLE
) -> None:
    """List what could not be handled, and why; everything stays in the queue.

    Exit codes: 0 the queue is empty, 1 something waits, 2 wrong use, 3 AWS said no.
    """
    from mfa_guard_cli.admin.dead_letters import list_letters

    list_letters(StackLocation(profile, region, stack), form)


@dead_letters.command("redrive")
def dead_letters_redrive(
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID", help="Messages to redrive; all by default.")] = None,
    *,
    stack: StackName = STACK,
    region: StackRegion = None,
    profile: Profile = None,
    form: AsFormat = Format.TABLE,
    yes: Yes = False,
) -> None:
    """Invoke the guard's functions again with what could not be handled, and delete what they were handed.

    Never deletes what could not be handed over. An old event is safe: it only says whom to look at. Exit codes: 0 all
    handed over, 1 something was left in the queue, 2 wrong use, 3 AWS said no.
    """
    from mfa_guard_cli.admin.dead_letters import redrive_letters

    redrive_letters(ids or (), StackLocation(profile, region, stack), form, yes=yes)


def stop(
    *,
    stack: StackName = STACK,
    region: StackRegion = None,
    profile: Profile = None,
    form: AsFormat = Format.TABLE,
    yes: Yes = False,
) -> None:
    """Stop the guard in an emergency: disable the rules that act on users, requests for sweeps, and the schedule.

    Releases nobody, and AlertFunction goes on telling. What was disabled is remembered, for mfa-guard start. Exit
    codes: 0 stopped, 2 wrong use, 3 AWS said no.
    """
    from mfa_guard_cli.admin.emergency_stop import stop_guard

    stop_guard(StackLocation(profile, region, stack), form, yes=yes)


def start(
    *,
    everything: Annotated[bool, typer.Option("--all", help="Enable whatever is off, whoever switched it off.")] = False,
    stack: StackName = STACK,
    region: StackRegion = None,
    profile: Profile = None,
    form: AsFormat = Format.TABLE,
    yes: Yes = False,
) -> None:
    """End an emergency stop: enable what mfa-guard stop disabled and nothing else, and tell what was missed.

    Exit codes: 0 started, 1 something is off that no stop is known to have disabled, 2 wrong use, 3 AWS said no.
    """
    from mfa_guard_cli.admin.emergency_stop import start_guard

    start_guard(StackLocation(profile, region, stack), form, everything=everything, yes=yes)
