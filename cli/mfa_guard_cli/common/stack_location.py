"""Where the mfa-guard stack is, and the command lines that find the same stack again."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from mfa_guard.core.settings import DEFAULT_STACK


@dataclass(frozen=True)
class StackLocation:
    """The stack's location as given on the command line; None where the AWS configuration decides."""

    profile: str | None
    region: str | None
    stack: str

    def command(self, *words: str, options: Sequence[str] = ()) -> str:
        """Return a command line for the same stack. A last word that looks like an option stays an argument."""
        given = [
            *options,
            *(["--stack", self.stack] if self.stack != DEFAULT_STACK else []),
            *(["--region", self.region] if self.region else []),
            *(["--profile", self.profile] if self.profile else []),
        ]
        *first, last = words
        tail = [*given, "--", last] if last.startswith("-") else [last, *given]
        return shlex.join(["mfa-guard", *first, *tail])
