"""Where the local account listens, and the credentials that it accepts from the start."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

HOST: Final = "localhost"
DEFAULT_PORT: Final = 4747
PAGE_PATH: Final = "/_mfa-guard/"


@dataclass(frozen=True)
class Credentials:
    """Temporary credentials, or a long-term access key, which has no session token and no expiry."""

    key_id: str
    secret: str
    token: str | None = None
    expires_at: datetime | None = None

    def environment(self) -> Mapping[str, str]:
        """Return the credentials as environment variables."""
        token = {"AWS_SESSION_TOKEN": self.token} if self.token else {}
        return {"AWS_ACCESS_KEY_ID": self.key_id, "AWS_SECRET_ACCESS_KEY": self.secret, **token}


# The example keys of AWS's documentation, so that no reader and no scanner takes them for secrets.
ADMINISTRATOR_KEY: Final = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
ROOT_KEY: Final = Credentials("AKIAI44QH8DHBEXAMPLE", "je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY")
