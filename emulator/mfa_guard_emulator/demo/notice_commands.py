"""Run the commands in a notice as a reader would in a shell: the shell splits them, and boto3 makes the calls."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from botocore import xform_name
from botocore.model import Shape, StructureShape

from mfa_guard_emulator.aws.resources import Clients

if TYPE_CHECKING:
    from botocore.client import ClientMeta

# The only program of the shell is this function: it prints the words of each command, and answers get-caller-identity.
_AWS: Final = r"""
aws() {
  if [ "$1 $2" = "sts get-caller-identity" ]; then printf %s "$CALLER"; else printf '%s\0' "$@"; printf '\n\0'; fi
}
"""
_SHELL: Final = "/bin/sh"


class CommandFailed(RuntimeError):
    """The commands of a notice cannot be run. The message is one sentence."""


@dataclass(frozen=True)
class Command:
    """One command of the AWS CLI, split into the words that the shell passes."""

    words: tuple[str, ...]


def paragraph(text: str, title: str) -> str:
    """Return the text below the line of a mail that begins with `title`, up to the next empty line."""
    for block in text.split("\n\n"):
        head, _, body = block.partition("\n")
        if head.startswith(title):
            return body
    raise CommandFailed(f"The mail has no section {title}.")


def split(text: str, caller: str) -> tuple[Command, ...]:
    """Return the commands that a shell reads in a text; `caller` is the answer of get-caller-identity."""
    done = subprocess.run(  # noqa: S603 - the shell finds no program, because its PATH is empty
        [_SHELL, "-c", f"{_AWS}\n{text}"],
        env={"PATH": "", "CALLER": caller},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode or done.stderr:
        raise CommandFailed(f"The shell does not accept the commands of the mail: {done.stderr.strip()}")
    return tuple(Command(tuple(words.split("\0")[:-1])) for words in done.stdout.split("\n\0")[:-1])


def run(text: str, clients: Clients, *, limit: int | None = None) -> tuple[Command, ...]:
    """Make the calls of the commands in a text, at most `limit`. The first failure ends it, as && does."""
    commands = split(text, str(clients.any("sts").get_caller_identity()["Arn"]))[:limit]
    for command in commands:
        _call(command, clients)
    return commands


def _call(command: Command, clients: Clients) -> None:
    service, operation, *options = command.words
    given = dict(_pairs(options))
    given.pop("--region", None)
    client = clients.any(service)
    method = operation.replace("-", "_")
    meta: ClientMeta = client.meta  # type: ignore[assignment]  # every client has it besides its operations
    model = meta.service_model.operation_model(meta.method_to_api_mapping[method])
    members = model.input_shape.members if isinstance(model.input_shape, StructureShape) else {}
    known = {f"--{xform_name(name, '-')}": (name, shape) for name, shape in members.items()}
    if unknown := sorted(given.keys() - known.keys()):
        raise CommandFailed(f"aws {service} {operation} has no option {', '.join(unknown)}.")
    getattr(client, method)(**{known[each][0]: _parsed(value, known[each][1]) for each, value in given.items()})


def _pairs(options: Sequence[str]) -> Iterator[tuple[str, str]]:
    words = iter(options)
    for word in words:
        option, equals, value = word.partition("=")
        yield option, value if equals else next(words)


def _parsed(value: str, shape: Shape) -> object:
    return json.loads(value) if shape.type_name in ("structure", "map", "list") else value
