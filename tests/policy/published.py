"""The policies that AWS publishes for the same purpose, with their source. The folder published/ has the JSON files."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mfa_guard_cli.policy.evaluator import Document, Policy, parse_policy

FOLDER: Final = Path(__file__).with_name("published")


@dataclass(frozen=True, slots=True)
class Published:
    """A published policy.

    Attributes:
        name: the name of the file, without its extension.
        heading: two or three words for a column.
        title: the title of the page that publishes the policy.
        url: the address of that page.
        read_from: where the text is from, and of which date.
        document: the policy, with ARNs of the partition aws.
    """

    name: str
    heading: str
    title: str
    url: str
    read_from: str
    document: Document

    @property
    def policy(self) -> Policy:
        """Return the policy, parsed."""
        return parse_policy(self.document)


def published() -> tuple[Published, ...]:
    """Return the published policies in the order of their files' names."""
    return tuple(_load(path) for path in sorted(FOLDER.glob("*.json")))


def _load(path: Path) -> Published:
    fields = json.loads(path.read_text("utf-8"))
    document = fields.pop("policy")
    return Published(name=path.stem, document=document, **fields)
