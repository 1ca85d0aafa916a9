"""Read an account in bulk, and go on with less where a call is refused."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeAlias

from botocore.exceptions import ClientError

from mfa_guard.adapters.account import IamAccount, RawReport
from mfa_guard.adapters.iam import IamUsers
from mfa_guard.core.account.credential_report import ReportNotUnderstood, parse_report
from mfa_guard.core.account.snapshot import ListedUser, ReportRow
from mfa_guard.core.errors import AwsRequestFailed, UserGone
from mfa_guard.core.sanitize import sanitize
from mfa_guard.core.settings import Settings
from mfa_guard.ports import Clock
from mfa_guard_cli.common.errors import AwsError, as_program_error, is_denied
from mfa_guard_cli.preview.model import Caller, CallerKind, DeviceKind, Reading, Uses, kind_of, to_ask
from mfa_guard_cli.preview.uses import parse_uses

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_sts import STSClient

# GetCallerIdentity needs no permission. https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
PERMISSIONS: Final = (*IamAccount.PERMISSIONS, "iam:ListMFADevices")

# What a person waits for the credential report, in seconds; IAM mostly takes a few.
PATIENCE: Final = 120.0

_LONG_TERM: Final = "AKIA"
_SHOWN: Final = 4

# Hears what is being read, how much of it is done, and of how much where that is known.
Told: TypeAlias = Callable[[str, int, int | None], None]

_NEEDED: Final = (
    "preview cannot do without iam:GetAccountAuthorizationDetails; AWS's policy SecurityAudit allows all that it reads."
)
_OLD_REPORT: Final = "The credential report is used that IAM has, if any; it may be of up to four hours ago."
_NO_REPORT: Final = "So nothing is known of passwords, access keys and their use, or devices other than virtual ones."
_NO_KINDS: Final = "So it is not known who has a TOTP app; devices are shown without their kind."


def identify(sts: "STSClient", access_key: str) -> tuple[Caller, str]:
    """Return who the credentials belong to, and the account's id.

    Raises what STS raises.
    """
    answer = sts.get_caller_identity()
    arn = answer["Arn"]
    resource = arn.split(":", 5)[5]
    kind = _CALLERS.get(resource.partition("/")[0], CallerKind.OTHER)
    name = resource.split("/")[1 if kind is CallerKind.ROLE else -1]
    caller = Caller(
        kind,
        arn,
        name,
        # Of a session the id is followed by the session's name.
        answer["UserId"].partition(":")[0],
        access_key[-_SHOWN:],
        access_key.startswith(_LONG_TERM),
    )
    return caller, answer["Account"]


_CALLERS: Final[Mapping[str, CallerKind]] = {
    "user": CallerKind.USER,
    "assumed-role": CallerKind.ROLE,
    "root": CallerKind.ROOT,
}


@dataclass(frozen=True)
class AccountReader:
    """Reads one account for a preview, waiting up to `patience` seconds for the credential report."""

    iam: "IAMClient"
    settings: Settings
    clock: Clock
    tell: Told
    patience: float = PATIENCE

    def read(self, caller: Caller) -> Reading:
        """Return the account as it is now; what a missing permission hides becomes a note.

        Raises AwsSaidNo when the users cannot be listed, and whatever else boto3 raises.
        """
        notes: list[str] = []
        account = IamAccount(self.iam, self.settings.policy_arn, self.settings.group_name, self.clock)
        # Asked for first, so that IAM makes the report while the lists are read.
        ready = self._ready(account, notes)
        users, created = self._users(account)
        virtual = self._virtual(account, notes)
        raw = self._report(account, notes, ready=ready)
        report, uses = _parsed(raw, created, notes)
        asked = () if virtual is None or report is None else to_ask(users, virtual, report)
        kinds, gone = self._kinds(asked, notes)
        return Reading(
            caller=caller,
            account=self.settings.account,
            at=self.clock.now(),
            users=tuple(user for user in users if user.name not in gone),
            virtual=virtual,
            report=report,
            report_made=raw.made if raw else None,
            uses=uses,
            kinds=kinds,
            notes=tuple(notes),
        )

    def _ready(self, account: IamAccount, notes: list[str]) -> bool | None:
        """Ask for the report; None when that is not allowed."""
        try:
            return account.generate_report()
        except ClientError as error:
            notes.append(_missing(error, "iam:GenerateCredentialReport", _OLD_REPORT))
            return None

    def _users(self, account: IamAccount) -> tuple[list[ListedUser], dict[str, datetime]]:
        users: list[ListedUser] = []
        created: dict[str, datetime] = {}
        self.tell("Reading users", 0, None)
        try:
            for page in account.users():
                users.extend(user for user, _ in page)
                created.update((user.name, since) for user, since in page)
                self.tell("Reading users", len(users), None)
        except ClientError as error:
            if is_denied(error):
                raise AwsError(f"{as_program_error(error)} {_NEEDED}") from error
            raise
        return users, created

    def _virtual(self, account: IamAccount, notes: list[str]) -> frozenset[str] | None:
        self.tell("Reading virtual MFA devices", 0, None)
        try:
            return account.virtual_device_owners()
        except ClientError as error:
            notes.append(_missing(error, "iam:ListVirtualMFADevices", _NO_KINDS))
            return None

    def _report(self, account: IamAccount, notes: list[str], *, ready: bool | None) -> RawReport | None:
        self.tell("Waiting for IAM's credential report", 0, None)
        try:
            raw = account.get_report() if ready is None else account.wait_for_report(self.patience, ready=ready)
        except ClientError as error:
            notes.append(_missing(error, "iam:GetCredentialReport", _NO_REPORT))
            return None
        if raw is None:
            late = f"IAM did not finish the credential report in {self.patience:g} seconds; try again in some minutes."
            notes.append(f"{'IAM has no credential report.' if ready is None else late} {_NO_REPORT}")
        return raw

    def _kinds(
        self, names: tuple[str, ...], notes: list[str]
    ) -> tuple[Mapping[str, tuple[DeviceKind, ...]], frozenset[str]]:
        """Return the devices of each user, by name, and who is gone meanwhile."""
        iam = IamUsers(self.iam, self.settings.policy_arn, self.settings.group_name)
        kinds: dict[str, tuple[DeviceKind, ...]] = {}
        gone: set[str] = set()
        for number, name in enumerate(names, 1):
            self.tell("Reading passkeys and tokens", number, len(names))
            try:
                kinds[name] = tuple(kind_of(device.serial) for device in iam.devices(name))
            except UserGone:
                gone.add(name)
            except AwsRequestFailed as refusal:
                # What one user's devices cannot be read for, the next one's will hardly be.
                notes.append(
                    f"iam:ListMFADevices was refused ({sanitize(str(refusal))}), so the kind of device of"
                    f" {len(names) - number + 1} users is not known."
                )
                break
        return kinds, frozenset(gone)


def _parsed(
    raw: RawReport | None, created: Mapping[str, datetime], notes: list[str]
) -> tuple[Mapping[str, ReportRow] | None, Mapping[str, Uses]]:
    if raw is None:
        return None, {}
    try:
        report = parse_report(raw.content, created)
    except ReportNotUnderstood as error:
        notes.append(f"{error} {_NO_REPORT}")
        return None, {}
    if report.unread:
        notes.append(f"Rows of the credential report that cannot be read and were left out: {report.unread}.")
    return report.rows, parse_uses(raw.content)


def _missing(error: ClientError, permission: str, consequence: str) -> str:
    """Return the note on a missing permission; raises `error` when it is anything else."""
    if not is_denied(error):
        raise error
    return f"The permission {permission} is missing. {consequence}"
