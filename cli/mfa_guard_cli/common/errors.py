"""How a command ends if it cannot do what was asked: one sentence on standard error, and an exit code.

Exit codes: 0 success, 1 the command found something, 2 wrong use, 3 an AWS request failed. A finding is not an error:
the command prints it and raises typer.Exit(FOUND).
"""

import errno
from traceback import walk_tb
from typing import Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConfigParseError,
    ConnectionError,  # noqa: A004 - botocore's: the request could not be sent
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

FOUND: Final = 1
WRONG_USE: Final = 2
AWS_REQUEST_FAILED: Final = 3


class ProgramError(Exception):
    """A sentence that says what happened and what to do."""

    exit_code: int = WRONG_USE


class WrongUse(ProgramError):
    """The command cannot do what was asked. It changed nothing."""


class AwsError(ProgramError):
    """An AWS request failed, or AWS could not be reached."""

    exit_code = AWS_REQUEST_FAILED


_UNREACHABLE: Final = "AWS cannot be reached: {error} Check the network and --region."
_UNUSABLE: Final = "The AWS configuration cannot be used: {error} Correct it, or use --profile."
# The first class that fits decides.
_BY_CLASS: Final[tuple[tuple[type[Exception], type[ProgramError], str], ...]] = (
    (
        NoCredentialsError,
        WrongUse,
        "There are no AWS credentials; name a profile with --profile, or sign in with aws login.",
    ),
    (PartialCredentialsError, WrongUse, "The AWS credentials are incomplete: {error} Complete them, or use --profile."),
    (ProfileNotFound, WrongUse, "{error} To list your profiles: aws configure list-profiles"),
    (NoRegionError, WrongUse, "No AWS Region is set; give one with --region."),
    (
        UnauthorizedSSOTokenError,
        AwsError,
        "The IAM Identity Center session has expired; sign in again with aws sso login.",
    ),
    (SSOTokenLoadError, AwsError, "There is no IAM Identity Center session; sign in with aws sso login."),
    (TokenRetrievalError, AwsError, "The IAM Identity Center session cannot be renewed; sign in with aws sso login."),
    (CredentialRetrievalError, AwsError, "{error} Correct the profile, or name another with --profile."),
    (
        MissingDependencyException,
        WrongUse,
        "mfa-guard cannot read the credentials of aws login; export them, then try again: "
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
_EXPIRED: Final = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
_UNKNOWN_KEY: Final = frozenset({"InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId"})
_DENIED: Final = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
_EXPLICIT_DENY: Final = "explicit deny"
_UNREADABLE: Final = (
    "The response cannot be read: it did not come from AWS, or AWS failed; check AWS_ENDPOINT_URL and the proxy, or "
    "try again."
)


def as_program_error(error: BotoCoreError | ClientError) -> ProgramError:
    """Return botocore's error as a sentence with the next step."""
    if isinstance(error, ClientError):
        return AwsError(_sentence(error))
    for error_class, program_error, sentence in _BY_CLASS:
        if isinstance(error, error_class):
            return program_error(sentence.format(error=f"{_on_one_line(error)}."))
    return AwsError(f"{type(error).__name__}: {_on_one_line(error)}.")


def environment_error(error: Exception) -> ProgramError | None:
    """Return the sentence for an error of the configuration, the network or the system; None for a defect.

    These are errors that botocore passes on as they are.
    """
    # By module name: botocore has no class for them, and a command that never calls AWS has not imported botocore.
    modules = {str(frame.f_globals.get("__name__")) for frame, _ in walk_tb(error.__traceback__)}
    if "botocore.parsers" in modules:
        return AwsError(_UNREADABLE)
    in_botocore = any(module.startswith("botocore.") for module in modules)
    if "botocore.credentials" in modules or (in_botocore and isinstance(error, OSError | ValueError)):
        detail = f"{type(error).__name__}, {_on_one_line(error)}"
        return WrongUse(f"The AWS configuration, or an AWS_... environment variable, cannot be used: {detail}.")
    # A reader that closes the pipe, as head does, needs no sentence.
    if isinstance(error, OSError) and error.errno != errno.EPIPE:
        where = f"{error.filename}: " if error.filename else ""
        return WrongUse(f"The operating system reported an error: {where}{error.strerror or _on_one_line(error)}.")
    return None


def is_denied(error: ClientError) -> bool:
    """Return whether AWS denied the request for lack of permission."""
    return error.response.get("Error", {}).get("Code") in _DENIED


def _sentence(error: ClientError) -> str:
    code = error.response.get("Error", {}).get("Code", "Unknown")
    message = " ".join(error.response.get("Error", {}).get("Message", "").split()).rstrip(".")
    failed = f"The AWS request {error.operation_name} failed: {code}{f', {message}' if message else ''}."
    if code in _EXPIRED:
        return f"{failed} The session has expired; sign in again, or get a new session with mfa-guard session."
    if code in _UNKNOWN_KEY:
        return f"{failed} The access key does not exist or is not active; check --profile."
    if code in _DENIED and _EXPLICIT_DENY in message:
        return f"{failed} A policy denies it; if the policy requires MFA, mfa-guard doctor shows the next step."
    return failed


def _on_one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")
