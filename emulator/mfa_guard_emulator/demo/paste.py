"""Run the commands that a notice carries, as somebody pastes them: a shell splits them, boto3 makes the calls."""

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

# The shell sees no program but this function: it hands each command's words out, and answers who is calling.
_AWS: Final = r"""
aws() {
  if [ "$1 $2" = "sts get-caller-identity" ]; then printf %s "$CALLER"; else printf '%s\0' "$@"; printf '\n\0'; fi
}
"""
_SHELL: Final = "/bin/sh"


class PasteFailed(RuntimeError):
    """A notice carries something that cannot be pasted; one sentence."""


@dataclass(frozen=True)
class Command:
    """One AWS CLI command, split into words as the shell passes them."""

    words: tuple[str, ...]


def paragraph(text: str, title: str) -> str:
    """Return what a mail has below a line that begins with `title`, up to the next empty line."""
    for block in text.split("\n\n"):
        head, _, body = block.partition("\n")
        if head.startswith(title):
            return body
    raise PasteFailed(f"The mail has nothing below {title}.")


def split(pasted: str, caller: str) -> tuple[Command, ...]:
    """Return the commands that a shell makes of the pasted text; `caller` is who get-caller-identity says it is."""
    done = subprocess.run(  # noqa: S603 - the shell finds no program: its PATH is empty
        [_SHELL, "-c", f"{_AWS}\n{pasted}"],
        env={"PATH": "", "CALLER": caller},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode or done.stderr:
        raise PasteFailed(f"The shell refuses what the mail offers to paste: {done.stderr.strip()}")
    return tuple(Command(tuple(words.split("\0")[:-1])) for words in done.stdout.split("\n\0")[:-1])


def run(pasted: str, clients: Clients, *, limit: int | None = None) -> tuple[Command, ...]:
    """Make the calls that the pasted text asks for, at most `limit`; the first that fails ends it, as && does."""
    commands = split(pasted, str(clients.any("sts").get_caller_identity()["Arn"]))[:limit]
    for command in commands:
        _call(command, clients)
    return commands


def _call(command: Command, clients: Clients) -> None:
    service, operation, *options = command.words
    given = dict(_pairs(options))
    given.pop("--region", None)
    client = clients.any(service)
    method = operation.replace("-", "_")
    meta: ClientMeta = client.meta  # type: ignore[assignment]  # what every client has beside its operations
    model = meta.service_model.operation_model(meta.method_to_api_mapping[method])
    members = model.input_shape.members if isinstance(model.input_shape, StructureShape) else {}
    known = {f"--{xform_name(name, '-')}": (name, shape) for name, shape in members.items()}
    if unknown := sorted(given.keys() - known.keys()):
        raise PasteFailed(f"aws {service} {operation} has no option {', '.join(unknown)}.")
    getattr(client, method)(**{known[each][0]: _parsed(value, known[each][1]) for each, value in given.items()})


def _pairs(options: Sequence[str]) -> Iterator[tuple[str, str]]:
    words = iter(options)
    for word in words:
        option, equals, value = word.partition("=")
        yield option, value if equals else next(words)


def _parsed(value: str, shape: Shape) -> object:
    return json.loads(value) if shape.type_name in ("structure", "map", "list") else value
