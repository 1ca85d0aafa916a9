"""Collect the facts that a diagnosis needs, with requests that only read."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

from botocore.exceptions import ClientError, NoCredentialsError

from mfa_guard_cli.common.output import printable
from mfa_guard_cli.user.access_denied import code_of, denial, headers_of
from mfa_guard_cli.user.account import NotAllowed
from mfa_guard_cli.user.clock_skew import skew
from mfa_guard_cli.user.devices import Device
from mfa_guard_cli.user.diagnosis import CredentialsInUse, Facts, Response
from mfa_guard_cli.user.identity import Identity, Principal

if TYPE_CHECKING:
    import boto3

_RESPONSES: Final[Mapping[str, Response]] = {
    "ExpiredToken": Response.EXPIRED,
    "ExpiredTokenException": Response.EXPIRED,
    "InvalidClientTokenId": Response.UNKNOWN_KEY,
    "UnrecognizedClientException": Response.UNKNOWN_KEY,
    "SignatureDoesNotMatch": Response.BAD_SIGNATURE,
    "RequestTimeTooSkewed": Response.BAD_SIGNATURE,
    "RequestExpired": Response.BAD_SIGNATURE,
}
# By botocore's word for the source of credentials.
_SOURCES: Final[Mapping[str, str]] = {
    "env": "environment variables",
    "shared-credentials-file": "credentials file, profile {profile}",
    "config-file": "configuration file, profile {profile}",
    "custom-process": "credential_process of profile {profile}",
    "assume-role": "role of profile {profile}",
    "assume-role-with-web-identity": "role of profile {profile}",
    "sso": "IAM Identity Center, profile {profile}",
    "login": "aws login, profile {profile}",
    "iam-role": "the machine's role",
    "container-role": "the container's role",
}


class Aws(Protocol):
    """The AWS requests that this module needs. `user.account.Account` makes them."""

    def whoami_and_skew(self) -> tuple[Identity, timedelta | None]: ...
    def devices(self, caller: Identity) -> Sequence[Device]: ...
    def probe(self) -> None: ...


def credentials_in_use(session: "boto3.Session", environment: Mapping[str, str]) -> CredentialsInUse:
    """Return the credentials that a session uses, and their source. Raises NoCredentialsError."""
    found = session.get_credentials()
    if found is None:
        raise NoCredentialsError
    frozen = found.get_frozen_credentials()
    source = _SOURCES.get(found.method, found.method).format(profile=printable(session.profile_name or "default"))
    if found.method == "env" and (ignored := environment.get("AWS_PROFILE")):
        source += f", which take precedence over AWS_PROFILE={printable(ignored)}"
    return CredentialsInUse(frozen.access_key or "", bool(frozen.token), found.method, source)


def collect_facts(aws: Aws, credentials: CredentialsInUse) -> Facts:
    """Return what AWS's responses show. Raises ClientError and BotoCoreError if they show nothing."""
    try:
        caller, ahead = aws.whoami_and_skew()
    except ClientError as error:
        ahead = skew(headers_of(error.response), datetime.now(UTC))
        return Facts(credentials, _response(error), skew=ahead)
    probe, refusal = Response.OK, None
    try:
        aws.probe()
    except ClientError as error:
        refusal = denial(error)
        probe = Response.DENIED if refusal else _response(error)
    return Facts(credentials, Response.OK, caller, probe, refusal, _devices(aws, caller, probe), ahead)


def _response(error: ClientError) -> Response:
    if (response := _RESPONSES.get(code_of(error))) is None:
        raise error
    return response


def _devices(aws: Aws, caller: Identity, probe: Response) -> Sequence[Device] | None:
    # A role has no devices, and IAM accepts no request from a session that was made without a code.
    if caller.principal not in (Principal.USER, Principal.ROOT) or probe is Response.UNKNOWN_KEY:
        return None
    try:
        return aws.devices(caller)
    except NotAllowed:
        return None
