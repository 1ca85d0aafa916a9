"""AWS's refusals, told apart by whether asking again may help."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from mfa_guard.core.errors import AccessDenied, AwsRequestFailed, UserGone

_GONE: Final = "NoSuchEntity"
_DENIED: Final = frozenset({"AccessDenied", "AccessDeniedException", "UnmodifiableEntity"})


@contextmanager
def translate_errors() -> Iterator[None]:
    """Let what boto3 raises become UserGone, Denied or Refused."""
    try:
        yield
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        if code == _GONE:
            raise UserGone(message) from error
        raise (AccessDenied if code in _DENIED else AwsRequestFailed)(f"{code}: {message}") from error
    except BotoCoreError as error:
        raise AwsRequestFailed(f"{type(error).__name__}: {error}") from error
