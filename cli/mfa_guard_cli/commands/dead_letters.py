"""`mfa-guard dead-letters`: list and redrive the messages in the dead-letter queue."""

from typing import Annotated

import typer

from mfa_guard_cli.common.group import new_group
from mfa_guard_cli.common.options import AsFormat, AsRows, Yes, stack_command
from mfa_guard_cli.common.stack_location import StackLocation

dead_letters = new_group("List and redrive unhandled events.")


@dead_letters.command("list")
@stack_command
def list_(*, location: StackLocation, output_format: AsRows = "table") -> None:
    """List the dead-letter messages.

    Shows the event that each message is about, and why the guard could not handle it. All messages stay in the queue.
    Exit code 1: there are messages in the queue.
    """
    from mfa_guard_cli.admin.dead_letters import list_dead_letters

    list_dead_letters(location, output_format)


@dead_letters.command()
@stack_command
def redrive(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="ID", help="IDs of the messages to redrive. Default: all messages.")
    ] = None,
    *,
    location: StackLocation,
    output_format: AsFormat = "table",
    yes: Yes = False,
) -> None:
    """Redrive dead-letter messages.

    Invokes the guard's functions again with the events of the messages, then deletes the messages. A message that
    cannot be redriven stays in the queue. An old event does no harm, because it only says which user to look at. Exit
    code 1: a message stays in the queue.
    """
    from mfa_guard_cli.admin.dead_letters import redrive_dead_letters

    redrive_dead_letters(ids or (), location, output_format, yes=yes)
