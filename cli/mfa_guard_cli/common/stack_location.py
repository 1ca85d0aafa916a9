"""Where the stack is, as a command was told, and the command lines that find the same stack again."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from mfa_guard.core.settings import DEFAULT_STACK


@dataclass(frozen=True)
class StackLocation:
    """What a command was told of where the stack is; None for what was left to the configuration."""

    profile: str | None
    region: str | None
    stack: str

    def command(self, *words: str, options: Sequence[str] = ()) -> str:
        """Return a command line for the same stack; a last word that looks like an option stays a word."""
        found = [
            *options,
            *(["--stack", self.stack] if self.stack != DEFAULT_STACK else []),
            *(["--region", self.region] if self.region else []),
            *(["--profile", self.profile] if self.profile else []),
        ]
        *first, last = words
        tail = [*found, "--", last] if last.startswith("-") else [last, *found]
        return shlex.join(["mfa-guard", *first, *tail])
