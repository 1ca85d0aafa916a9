"""AWS's refusals, told apart by whether asking again may help."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from mfa_guard.ports import Denied, Refused, UserGone

_GONE: Final = "NoSuchEntity"
_DENIED: Final = frozenset({"AccessDenied", "AccessDeniedException", "UnmodifiableEntity"})


@contextmanager
def translated() -> Iterator[None]:
    """Let what boto3 raises become UserGone, Denied or Refused."""
    try:
        yield
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        if code == _GONE:
            raise UserGone(message) from error
        raise (Denied if code in _DENIED else Refused)(f"{code}: {message}") from error
    except BotoCoreError as error:
        raise Refused(f"{type(error).__name__}: {error}") from error
