"""Read the two texts of a message as its subscribers get them, and the schemas of the JSON."""

import json
from typing import Any, Final

from mfa_guard.core.mail.layout import Message
from support.factories import ROOT_OF_THE_PROJECT

NOTICE_SCHEMA: Final = json.loads((ROOT_OF_THE_PROJECT / "docs" / "notice.schema.json").read_text("utf-8"))
DIGEST_SCHEMA: Final = json.loads((ROOT_OF_THE_PROJECT / "docs" / "digest.schema.json").read_text("utf-8"))
SUMMARY_SCHEMA: Final = json.loads((ROOT_OF_THE_PROJECT / "docs" / "summary.schema.json").read_text("utf-8"))


def mail(message: Message) -> str:
    """Return the text that a person reads."""
    return str(json.loads(message.body)["email"])


def data(message: Message) -> dict[str, Any]:
    """Return the JSON that a machine reads."""
    parsed = json.loads(json.loads(message.body)["default"])
    assert isinstance(parsed, dict)
    return parsed
