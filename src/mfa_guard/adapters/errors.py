"""Translate the errors that boto3 raises into the few errors that the guard distinguishes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from mfa_guard.core.errors import AccessDenied, AwsRequestFailed, QuotaExceeded, UserGone

_DENIED: Final = frozenset({"AccessDenied", "AccessDeniedException", "UnmodifiableEntity"})


@contextmanager
def translate_errors() -> Iterator[None]:
    """Raise UserGone, QuotaExceeded, AccessDenied or AwsRequestFailed for what boto3 raises."""
    try:
        yield
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        if code == "NoSuchEntity":
            raise UserGone(message) from error
        if code == "LimitExceeded":
            raise QuotaExceeded(f"{code}: {message}") from error
        raise (AccessDenied if code in _DENIED else AwsRequestFailed)(f"{code}: {message}") from error
    except BotoCoreError as error:
        raise AwsRequestFailed(f"{type(error).__name__}: {error}") from error
