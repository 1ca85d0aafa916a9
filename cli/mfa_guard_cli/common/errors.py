"""How a command ends when it cannot do what was asked: one sentence, and an exit code.

Exit codes: 0 done, 1 found something, 2 wrong use, 3 AWS said no.
"""

import errno
from traceback import walk_tb
from typing import Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConfigParseError,
    ConnectionError,  # noqa: A004 - botocore's own, of whatever keeps a request from being sent
    CredentialRetrievalError,
    HTTPClientError,
    InvalidConfigError,
    InvalidRegionError,
    InvalidRetryConfigurationError,
    MissingDependencyException,
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
AWS_REQUEST_FAILED: int = 3


class ProgramError(Exception):
    """A sentence that says what happened and what to do."""

    exit_code = WRONG_USE


class WrongUse(ProgramError):
    """The command was asked for something that cannot be; nothing was changed."""


class AwsError(ProgramError):
    """AWS refused, or could not be reached."""

    exit_code = AWS_REQUEST_FAILED


_UNREACHABLE: Final = "AWS cannot be reached: {error} Check the network and --region."
_UNUSABLE: Final = "The AWS configuration cannot be used: {error} Mend it, or use --profile."
_BY_TYPE: tuple[tuple[type[Exception], type[ProgramError], str], ...] = (
    (
        NoCredentialsError,
        WrongUse,
        "There are no AWS credentials; name a profile with --profile, or sign in with aws login.",
    ),
    (PartialCredentialsError, WrongUse, "The AWS credentials are incomplete: {error} Complete them, or use --profile."),
    (ProfileNotFound, WrongUse, "{error} aws configure list-profiles shows those there are."),
    (NoRegionError, WrongUse, "No AWS region is set; give one with --region."),
    (
        UnauthorizedSSOTokenError,
        AwsError,
        "The Identity Center session has expired; sign in again with aws sso login.",
    ),
    (SSOTokenLoadError, AwsError, "There is no Identity Center session; sign in with aws sso login."),
    (TokenRetrievalError, AwsError, "The Identity Center session cannot be renewed; sign in with aws sso login."),
    (CredentialRetrievalError, AwsError, "{error} Mend what the profile names, or use --profile."),
    (
        MissingDependencyException,
        WrongUse,
        "The credentials of aws login cannot be read here; hand them over, then try again: "
        'eval "$(aws configure export-credentials --format env)"',
    ),
    (ConfigParseError, WrongUse, _UNUSABLE),
    (InvalidConfigError, WrongUse, _UNUSABLE),
    (InvalidRegionError, WrongUse, _UNUSABLE),
    (InvalidRetryConfigurationError, WrongUse, _UNUSABLE),
    (ReadTimeoutError, AwsError, "AWS did not answer in time: {error} Try again."),
    (ConnectionError, AwsError, _UNREACHABLE),
    (HTTPClientError, AwsError, _UNREACHABLE),
)
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
_UNKNOWN = frozenset({"InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId"})
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
_EXPLICITLY = "explicit deny"


def as_program_error(error: BotoCoreError | ClientError) -> ProgramError:
    """Return what an error of botocore comes to, as a sentence with the next step."""
    if isinstance(error, ClientError):
        return AwsError(_refusal(error))
    for kind, program_error, sentence in _BY_TYPE:
        if isinstance(error, kind):
            return program_error(sentence.format(error=f"{_on_one_line(error)}."))
    return AwsError(f"{type(error).__name__}: {_on_one_line(error)}.")


_NO_ANSWER: Final = (
    "The answer cannot be read, so what answered is not AWS, or AWS failed; check AWS_ENDPOINT_URL and the network's "
    "proxy, or try again."
)


def of_surroundings(error: Exception) -> ProgramError | None:
    """Return the sentence for what botocore or the system let through as it was; None for a mistake of the program."""
    # By module, as botocore has no type for any of it, and as who never called it has not imported it.
    through = {str(frame.f_globals.get("__name__")) for frame, _ in walk_tb(error.__traceback__)}
    if "botocore.parsers" in through:
        return AwsError(_NO_ANSWER)
    by_botocore = any(module.startswith("botocore.") for module in through)
    if "botocore.credentials" in through or (by_botocore and isinstance(error, OSError | ValueError)):
        said = f"{type(error).__name__}, {_on_one_line(error)}"
        return WrongUse(f"The AWS configuration, or a variable AWS_... of the environment, cannot be used: {said}.")
    # Whoever closed the pipe, as head does, wants no sentence either.
    if isinstance(error, OSError) and error.errno != errno.EPIPE:
        where = f"{error.filename}: " if error.filename else ""
        return WrongUse(f"The system refused something: {where}{error.strerror or _on_one_line(error)}.")
    return None


def _on_one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")


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
