"""The AWS requests of the user's commands. This is the only module here that calls AWS."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from mfa_guard_cli.common.errors import AwsError
from mfa_guard_cli.user.access_denied import denial, headers_of, message_of
from mfa_guard_cli.user.clock_skew import hint, skew
from mfa_guard_cli.user.credentials import Credentials
from mfa_guard_cli.user.devices import Device
from mfa_guard_cli.user.identity import Identity, Principal, identity

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_sts.type_defs import CredentialsTypeDef

_WRONG_CODE: Final = "invalid MFA one time pass code"
_WRONG_DEVICE: Final = "unable to validate MFA code"
_PAGE: Final = 1000


class CodeRefused(AwsError):
    """AWS did not accept the code, or the two codes."""


class NameTaken(Exception):
    """There is already a device with that name."""


class NotAllowed(Exception):
    """AWS denied the request. The cause is the ClientError."""

    def __init__(self, error: ClientError) -> None:
        super().__init__(str(error))
        self.denial = denial(error)


@dataclass(frozen=True)
class VirtualDevice:
    """A virtual device of the account. `assigned`: a user has it."""

    device: Device
    assigned: bool


@dataclass(frozen=True)
class NewDevice:
    """A virtual device that was just created. AWS shows its seed only once."""

    device: Device
    seed: str = field(repr=False)


class Account:
    """Calls AWS with the credentials of a boto3 session."""

    def __init__(self, session: "boto3.Session") -> None:
        self._session = session
        self._sts = session.client("sts")

    @cached_property
    def _iam(self) -> "IAMClient":
        # Created late, because a session from the cache does not need it.
        return self._session.client("iam")

    @property
    def endpoint(self) -> str:
        """Return the endpoint of STS."""
        return self._sts.meta.endpoint_url

    def whoami(self) -> Identity:
        """Return the caller's identity. No policy can deny this request."""
        return self.whoami_and_skew()[0]

    def whoami_and_skew(self) -> tuple[Identity, timedelta | None]:
        """Return the caller's identity, and how far this machine's clock is ahead of AWS's."""
        answer = self._sts.get_caller_identity()
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        return identity(answer["Arn"]), skew(headers, datetime.now(UTC))

    def devices(self, caller: Identity) -> Sequence[Device]:
        """Return the caller's own MFA devices. Raises NotAllowed."""
        try:
            if caller.principal is Principal.USER:
                answer = self._iam.list_mfa_devices(UserName=caller.name)
            else:
                answer = self._iam.list_mfa_devices()
        except ClientError as error:
            raise _not_allowed(error) from error
        return [Device(device["SerialNumber"]) for device in answer["MFADevices"]]

    def virtual_devices(self) -> Sequence[VirtualDevice]:
        """Return every virtual device of the account. Raises NotAllowed."""
        pages = self._iam.get_paginator("list_virtual_mfa_devices").paginate(PaginationConfig={"PageSize": _PAGE})
        try:
            return [
                VirtualDevice(Device(each["SerialNumber"]), assigned=bool(each.get("User") or each.get("EnableDate")))
                for page in pages
                for each in page["VirtualMFADevices"]
            ]
        except ClientError as error:
            raise _not_allowed(error) from error

    def create_device(self, name: str) -> NewDevice:
        """Create a virtual device, not yet assigned. Raises NameTaken and NotAllowed."""
        try:
            made = self._iam.create_virtual_mfa_device(VirtualMFADeviceName=name)["VirtualMFADevice"]
        except self._iam.exceptions.EntityAlreadyExistsException as error:
            raise NameTaken(name) from error
        except ClientError as error:
            raise _not_allowed(error) from error
        return NewDevice(Device(made["SerialNumber"]), made["Base32StringSeed"].decode("ascii"))

    def enable_device(self, user: str, device: Device, codes: tuple[str, str]) -> None:
        """Assign a device to the caller. Raises CodeRefused and NotAllowed."""
        try:
            self._iam.enable_mfa_device(
                UserName=user,
                SerialNumber=device.serial,
                AuthenticationCode1=codes[0],
                AuthenticationCode2=codes[1],
            )
        except self._iam.exceptions.InvalidAuthenticationCodeException as error:
            clock = hint(skew(headers_of(error.response), datetime.now(UTC)))
            raise CodeRefused(f"AWS did not accept these codes.{clock}") from error
        except ClientError as error:
            raise _not_allowed(error) from error

    def delete_device(self, device: Device) -> bool:
        """Delete a virtual device that is not assigned. Returns whether AWS deleted it."""
        try:
            self._iam.delete_virtual_mfa_device(SerialNumber=device.serial)
        except (BotoCoreError, ClientError):
            return False
        return True

    def session(self, device: Device, code: str, seconds: int) -> Credentials:
        """Return MFA-authenticated credentials. Raises CodeRefused."""
        try:
            answer = self._sts.get_session_token(SerialNumber=device.serial, TokenCode=code, DurationSeconds=seconds)
        except ClientError as error:
            message = message_of(error)
            clock = hint(skew(headers_of(error.response), datetime.now(UTC)))
            if _WRONG_CODE in message:
                raise CodeRefused(
                    f"AWS did not accept the code of {device.serial}: it is wrong, expired or already used; wait for"
                    f" the next code.{clock}"
                ) from error
            if _WRONG_DEVICE in message:
                raise AwsError(
                    f"AWS cannot validate codes of {device.serial}: it is not your device, or it makes no codes;"
                    " mfa-guard doctor lists your devices."
                ) from error
            raise
        return _credentials(answer["Credentials"])

    def role(self, session: Credentials, arn: str, name: str, seconds: int) -> Credentials:
        """Return the credentials of a role, assumed with a session."""
        sts = self._session.client(
            "sts",
            aws_access_key_id=session.access_key_id,
            aws_secret_access_key=session.secret_access_key,
            aws_session_token=session.session_token,
        )
        answer = sts.assume_role(RoleArn=arn, RoleSessionName=name, DurationSeconds=seconds)
        return _credentials(answer["Credentials"])

    def probe(self) -> None:
        """Call a request that reads almost nothing and that the enforcement policy denies without MFA.

        Raises ClientError.
        """
        self._iam.list_account_aliases(MaxItems=1)


def _credentials(answer: "CredentialsTypeDef") -> Credentials:
    return Credentials(
        answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"], answer["Expiration"].astimezone(UTC)
    )


def _not_allowed(error: ClientError) -> Exception:
    return NotAllowed(error) if denial(error) else error
