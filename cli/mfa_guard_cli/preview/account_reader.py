"""Read an account with bulk calls. If a permission is missing, continue and note what could not be read."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from botocore.exceptions import ClientError

from mfa_guard.adapters.account import IamAccount, RawReport
from mfa_guard.adapters.iam import IamUsers
from mfa_guard.core.account.credential_report import ReportNotUnderstood, parse_report
from mfa_guard.core.account.snapshot import ListedUser, ReportRow, Sources
from mfa_guard.core.errors import AwsRequestFailed, UserGone
from mfa_guard.core.sanitize import sanitize
from mfa_guard.core.settings import Settings
from mfa_guard.ports import Clock
from mfa_guard_cli.common.errors import AwsError, as_program_error, is_denied
from mfa_guard_cli.preview.last_uses import parse_last_uses
from mfa_guard_cli.preview.model import AccountData, Caller, CallerKind, DeviceKind, LastUses

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_sts import STSClient

# GetCallerIdentity needs no permission. https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
PERMISSIONS: Final = (*IamAccount.PERMISSIONS, "iam:ListMFADevices")

# How long to wait for the credential report, in seconds. IAM usually takes a few.
REPORT_TIMEOUT: Final = 120.0

_LONG_TERM_KEY: Final = "AKIA"
_ENDING: Final = 4

# Called with what is being read, how much of it is done, and how much there is if that is known.
ShowProgress: TypeAlias = Callable[[str, int, int | None], None]

_REQUIRED: Final = (
    "preview needs iam:GetAccountAuthorizationDetails. The AWS managed policy SecurityAudit allows everything that"
    " preview reads."
)
_OLD_REPORT: Final = (
    "The credential report that IAM has, if any, is used instead of a new one. It can be up to four hours old."
)
_NO_REPORT: Final = (
    "Passwords, access keys, their last use, and MFA devices other than virtual devices are therefore unknown."
)
_NO_VIRTUAL_DEVICES: Final = (
    "It is therefore unknown which users have a TOTP app, and MFA devices are shown without their kind."
)


def identify_caller(sts: "STSClient", access_key: str) -> tuple[Caller, str]:
    """Return who the credentials belong to, and the id of the account.

    Raises what STS raises.
    """
    answer = sts.get_caller_identity()
    arn = answer["Arn"]
    resource = arn.split(":", 5)[5]
    kind = _CALLERS.get(resource.partition("/")[0], CallerKind.OTHER)
    caller = Caller(
        kind=kind,
        arn=arn,
        name=resource.split("/")[1 if kind is CallerKind.ROLE else -1],
        # For a session, the name of the session follows the id.
        id=answer["UserId"].partition(":")[0],
        key_ending=access_key[-_ENDING:],
        long_term=access_key.startswith(_LONG_TERM_KEY),
    )
    return caller, answer["Account"]


_CALLERS: Final[Mapping[str, CallerKind]] = {
    "user": CallerKind.USER,
    "assumed-role": CallerKind.ROLE,
    "root": CallerKind.ROOT,
}


def device_kind(serial: str) -> DeviceKind:
    """Return the kind of an MFA device: virtual devices and passkeys have an ARN, tokens a serial number.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_MFADevice.html
    """
    if not serial.startswith("arn:"):
        return DeviceKind.TOTP_TOKEN
    return _DEVICES.get(serial.rpartition(":")[2].partition("/")[0], DeviceKind.OTHER)


_DEVICES: Final[Mapping[str, DeviceKind]] = {"mfa": DeviceKind.TOTP_APP, "u2f": DeviceKind.PASSKEY}


@dataclass(frozen=True)
class AccountReader:
    """Reads one account for a preview, and waits up to `report_timeout` seconds for the credential report."""

    iam: "IAMClient"
    settings: Settings
    clock: Clock
    show_progress: ShowProgress
    report_timeout: float = REPORT_TIMEOUT

    def read(self, caller: Caller) -> AccountData:
        """Return the account as it is now. A note says what could not be read without a permission that is missing.

        Raises AwsError if the users cannot be listed, and what boto3 raises for anything but a missing permission.
        """
        notes: list[str] = []
        account = IamAccount(self.iam, self.settings.policy_arn, self.settings.group_name, self.clock)
        # Requested first, so that IAM creates the report while the lists are read.
        ready = self._request_report(account, notes)
        users = self._users(account)
        virtual = self._virtual_device_owners(account, notes)
        raw = self._report(account, notes, ready=ready)
        report, last_uses = _parse(raw, notes)
        others = [] if virtual is None or report is None else users_with_other_devices(users, virtual, report)
        other_devices, deleted = self._other_devices(others, notes)
        return AccountData(
            caller=caller,
            account=self.settings.account,
            read_at=self.clock.now(),
            users=tuple(user for user in users if user.name not in deleted),
            virtual_device_owners=virtual,
            report=report,
            report_created=raw.made if raw else None,
            last_uses=last_uses,
            other_devices=other_devices,
            notes=tuple(notes),
        )

    def _request_report(self, account: IamAccount, notes: list[str]) -> bool | None:
        """Return whether the report is ready, or None without the permission to request one."""
        try:
            return account.generate_report()
        except ClientError as error:
            notes.append(_note_if_denied(error, "iam:GenerateCredentialReport", _OLD_REPORT))
            return None

    def _users(self, account: IamAccount) -> list[ListedUser]:
        users: list[ListedUser] = []
        self.show_progress("Reading users", 0, None)
        try:
            for page in account.users():
                users.extend(page)
                self.show_progress("Reading users", len(users), None)
        except ClientError as error:
            if is_denied(error):
                raise AwsError(f"{as_program_error(error)} {_REQUIRED}") from error
            raise
        return users

    def _virtual_device_owners(self, account: IamAccount, notes: list[str]) -> frozenset[str] | None:
        self.show_progress("Reading virtual MFA devices", 0, None)
        try:
            return account.virtual_device_owners()
        except ClientError as error:
            notes.append(_note_if_denied(error, "iam:ListVirtualMFADevices", _NO_VIRTUAL_DEVICES))
            return None

    def _report(self, account: IamAccount, notes: list[str], *, ready: bool | None) -> RawReport | None:
        self.show_progress("Waiting for the credential report of IAM", 0, None)
        try:
            raw = account.get_report() if ready is None else account.wait_for_report(self.report_timeout, ready=ready)
        except ClientError as error:
            notes.append(_note_if_denied(error, "iam:GetCredentialReport", _NO_REPORT))
            return None
        if raw is None:
            late = f"IAM did not finish the credential report in {self.report_timeout:g} seconds; try again later."
            notes.append(f"{'IAM has no credential report.' if ready is None else late} {_NO_REPORT}")
        return raw

    def _other_devices(
        self, names: list[str], notes: list[str]
    ) -> tuple[Mapping[str, tuple[DeviceKind, ...]], frozenset[str]]:
        """Return the devices of each user by name, and the names of users who were deleted after they were listed."""
        iam = IamUsers(self.iam, self.settings.policy_arn, self.settings.group_name)
        devices: dict[str, tuple[DeviceKind, ...]] = {}
        deleted: set[str] = set()
        for number, name in enumerate(names, 1):
            self.show_progress("Reading passkeys and tokens", number, len(names))
            try:
                devices[name] = tuple(device_kind(device.serial) for device in iam.devices(name))
            except UserGone:
                deleted.add(name)
            except AwsRequestFailed as refusal:
                # AWS would most likely refuse the same call for the next user, too.
                notes.append(
                    f"iam:ListMFADevices was refused ({sanitize(str(refusal))}). The MFA devices of"
                    f" {len(names) - number + 1} users are therefore shown without their kind."
                )
                break
        return devices, frozenset(deleted)


def users_with_other_devices(
    users: Iterable[ListedUser], virtual: frozenset[str], report: Mapping[str, ReportRow]
) -> list[str]:
    """Return the names of users who have an MFA device, but no virtual one. Each takes a call of its own."""
    sources = Sources(virtual, report)
    return [user.name for user in users if user.id not in virtual and (row := sources.row(user)) and row.device]


def _parse(raw: RawReport | None, notes: list[str]) -> tuple[Mapping[str, ReportRow] | None, Mapping[str, LastUses]]:
    if raw is None:
        return None, {}
    try:
        report = parse_report(raw.content)
    except ReportNotUnderstood as error:
        notes.append(f"{error} {_NO_REPORT}")
        return None, {}
    if report.unread:
        notes.append(f"Rows of the credential report that could not be read and were left out: {report.unread}.")
    return report.rows, parse_last_uses(raw.content)


def _note_if_denied(error: ClientError, permission: str, consequence: str) -> str:
    """Return the note about a missing permission. Raises `error` if it has another reason."""
    if not is_denied(error):
        raise error
    return f"The permission {permission} is missing. {consequence}"
