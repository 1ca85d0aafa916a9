"""Find out what a diagnosis needs, with calls that read only."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

from botocore.exceptions import ClientError, NoCredentialsError

from mfa_guard_cli.common.output import printable
from mfa_guard_cli.user.access_denied import code_of, denial, headers_of
from mfa_guard_cli.user.account import NotAllowed
from mfa_guard_cli.user.clock_skew import skew
from mfa_guard_cli.user.devices import Device
from mfa_guard_cli.user.diagnosis import Answer, Facts, Used
from mfa_guard_cli.user.identity import Identity, Principal

if TYPE_CHECKING:
    import boto3

_ANSWERS: Final[Mapping[str, Answer]] = {
    "ExpiredToken": Answer.EXPIRED,
    "ExpiredTokenException": Answer.EXPIRED,
    "InvalidClientTokenId": Answer.UNKNOWN_KEY,
    "UnrecognizedClientException": Answer.UNKNOWN_KEY,
    "SignatureDoesNotMatch": Answer.BAD_SIGNATURE,
    "RequestTimeTooSkewed": Answer.BAD_SIGNATURE,
    "RequestExpired": Answer.BAD_SIGNATURE,
}
# botocore's word for where it found credentials.
_PLACES: Final[Mapping[str, str]] = {
    "env": "environment variables",
    "shared-credentials-file": "credentials file, profile {profile}",
    "config-file": "configuration file, profile {profile}",
    "custom-process": "credential_process of profile {profile}",
    "assume-role": "role of profile {profile}",
    "assume-role-with-web-identity": "role of profile {profile}",
    "sso": "Identity Center, profile {profile}",
    "login": "aws login, profile {profile}",
    "iam-role": "the machine's role",
    "container-role": "the container's role",
}


class Aws(Protocol):
    """What is asked of AWS; `user.account.Account` does it."""

    def whoami_and_skew(self) -> tuple[Identity, timedelta | None]: ...
    def devices(self, caller: Identity) -> Sequence[Device]: ...
    def probe(self) -> None: ...


def used(session: "boto3.Session", environment: Mapping[str, str]) -> Used:
    """Return what credentials a session uses, and where they were found. Raises NoCredentialsError."""
    found = session.get_credentials()
    if found is None:
        raise NoCredentialsError
    frozen = found.get_frozen_credentials()
    place = _PLACES.get(found.method, found.method).format(profile=printable(session.profile_name or "default"))
    if found.method == "env" and (ignored := environment.get("AWS_PROFILE")):
        place += f", which come before AWS_PROFILE={printable(ignored)}"
    return Used(frozen.access_key or "", bool(frozen.token), found.method, place)


def examine(aws: Aws, credentials: Used) -> Facts:
    """Return what AWS says. Raises ClientError and BotoCoreError where that explains nothing."""
    try:
        caller, ahead = aws.whoami_and_skew()
    except ClientError as error:
        ahead = skew(headers_of(error.response), datetime.now(UTC))
        return Facts(credentials, _understood(error), skew=ahead)
    probed, refusal = Answer.OK, None
    try:
        aws.probe()
    except ClientError as error:
        refusal = denial(error)
        probed = Answer.DENIED if refusal else _understood(error)
    return Facts(credentials, Answer.OK, caller, probed, refusal, _devices(aws, caller, probed), ahead)


def _understood(error: ClientError) -> Answer:
    if (answer := _ANSWERS.get(code_of(error))) is None:
        raise error
    return answer


def _devices(aws: Aws, caller: Identity, probed: Answer) -> Sequence[Device] | None:
    # IAM answers neither roles about devices, nor a session that was made without a code about anything.
    if caller.principal not in (Principal.USER, Principal.ROOT) or probed is Answer.UNKNOWN_KEY:
        return None
    try:
        return aws.devices(caller)
    except NotAllowed:
        return None
