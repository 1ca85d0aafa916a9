"""How a command ends when it cannot do what was asked: one sentence, and an exit code.

Exit codes: 0 done, 1 found something, 2 wrong use, 3 AWS said no.
"""

import sys
from typing import Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    ReadTimeoutError,
    SSOTokenLoadError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)

FOUND: int = 1
WRONG_USE: int = 2
AWS_SAID_NO: int = 3


class ProgramError(Exception):
    """A sentence that says what happened and what to do."""

    exit_code = WRONG_USE


class WrongUse(ProgramError):
    """The command was asked for something that cannot be; nothing was changed."""


class AwsSaidNo(ProgramError):
    """AWS refused, or could not be reached."""

    exit_code = AWS_SAID_NO


_BY_TYPE: tuple[tuple[type[Exception], type[ProgramError], str], ...] = (
    (
        NoCredentialsError,
        WrongUse,
        "There are no AWS credentials; name a profile with --profile, or sign in with aws login.",
    ),
    (PartialCredentialsError, WrongUse, "The AWS credentials are incomplete: {error} Complete them, or use --profile."),
    (ProfileNotFound, WrongUse, "{error}; aws configure list-profiles shows those there are."),
    (NoRegionError, WrongUse, "No AWS region is set; give one with --region."),
    (
        UnauthorizedSSOTokenError,
        AwsSaidNo,
        "The Identity Center session has expired; sign in again with aws sso login.",
    ),
    (SSOTokenLoadError, AwsSaidNo, "There is no Identity Center session; sign in with aws sso login."),
    (TokenRetrievalError, AwsSaidNo, "The Identity Center session cannot be renewed; sign in with aws sso login."),
    (EndpointConnectionError, AwsSaidNo, "AWS cannot be reached: {error} Check the network and --region."),
    (ConnectTimeoutError, AwsSaidNo, "AWS cannot be reached: {error} Check the network and --region."),
    (ReadTimeoutError, AwsSaidNo, "AWS did not answer in time: {error} Try again."),
)
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
_UNKNOWN = frozenset({"InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId"})
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
_EXPLICITLY = "explicit deny"


def as_program_error(error: BotoCoreError | ClientError) -> ProgramError:
    """Return what an error of botocore comes to, as a sentence with the next step."""
    if isinstance(error, ClientError):
        return AwsSaidNo(_refusal(error))
    for kind, program_error, sentence in _BY_TYPE:
        if isinstance(error, kind):
            return program_error(sentence.format(error=f"{' '.join(str(error).split()).rstrip('.')}."))
    return AwsSaidNo(f"{type(error).__name__}: {' '.join(str(error).split())}")


NO_ANSWER: Final = (
    "The answer cannot be read, so what answered is not AWS, or AWS failed; check AWS_ENDPOINT_URL and the network's "
    "proxy, or try again."
)


def is_no_answer(error: Exception) -> bool:
    """Tell whether something answered that does not speak as AWS does, such as a proxy's page."""
    # Whoever never called AWS has not imported this, which takes a while.
    parsers = sys.modules.get("botocore.parsers")
    return parsers is not None and isinstance(error, parsers.ResponseParserError)


def is_denied(error: ClientError) -> bool:
    """Tell whether AWS refused for want of a permission."""
    return error.response.get("Error", {}).get("Code") in _DENIED


def _refusal(error: ClientError) -> str:
    code = error.response.get("Error", {}).get("Code", "Unknown")
    message = " ".join(error.response.get("Error", {}).get("Message", "").split()).rstrip(".")
    said = f"AWS refused {error.operation_name}: {code}{f', {message}' if message else ''}."
    if code in _EXPIRED:
        return f"{said} The session has expired; sign in again, or make a new one with mfa-guard session."
    if code in _UNKNOWN:
        return f"{said} The access key is not known or not active; check --profile."
    if code in _DENIED and _EXPLICITLY in message:
        return f"{said} A policy denies it; if it asks for MFA, mfa-guard doctor says what to do."
    return said
