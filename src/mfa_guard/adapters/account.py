"""Read every user of the account with IAM's bulk calls: one call for each page."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from mfa_guard.core.account.credential_report import CredentialReport, ReportNotUnderstood, parse_report
from mfa_guard.core.account.snapshot import ListedUser, Sources
from mfa_guard.core.user import GUARD_TAGS
from mfa_guard.ports import Clock

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_iam.type_defs import PaginatorConfigTypeDef, UserDetailTypeDef, VirtualMFADeviceTypeDef


# The largest page that IAM allows; IAM may return shorter pages.
_PAGE: "Final[PaginatorConfigTypeDef]" = {"PageSize": 1000}

# A sweep changes the users of a page before it reads the next one. Half of the largest page is done in about a minute
# at the rate at which IAM lets an account write, and takes half of the memory.
_PAGE_OF_USERS: "Final[PaginatorConfigTypeDef]" = {"PageSize": 500}

# The pause doubles with every poll, because each poll is a call of the sweep's budget.
_FIRST_PAUSE: Final = 2.0

_NO_REPORT: Final = {"ReportNotPresent", "ReportExpired", "ReportInProgress"}


@dataclass(frozen=True)
class RawReport:
    """The credential report as IAM wrote it. `made` is when IAM generated it."""

    content: bytes
    made: datetime


class IamAccount:
    """Reads all users of the account page by page, and keeps only what a `ListedUser` and `Sources` hold.

    Raises what IAM raises. A credential report that is late or unreadable is no error: the snapshot says so.
    """

    PERMISSIONS: Final = (
        "iam:GetAccountAuthorizationDetails",
        "iam:ListVirtualMFADevices",
        "iam:GenerateCredentialReport",
        "iam:GetCredentialReport",
    )

    def __init__(self, client: "IAMClient", policy_arn: str, group_name: str, clock: Clock) -> None:
        self._client = client
        self._policy_arn = policy_arn
        self._group_name = group_name
        self._clock = clock

    def sources(self, patience: float) -> Sources:
        """Return what is read once for all users, waiting up to `patience` seconds for the credential report."""
        # The first call, so that IAM generates the report while the devices are listed.
        ready = self.generate_report()
        virtual = self.virtual_device_owners()
        report, problem = self._report(patience, ready=ready)
        return Sources(virtual, report.rows if report else None, problem)

    def users(self) -> Iterator[tuple[ListedUser, ...]]:
        """Yield pages of users, each when it is asked for."""
        pages = self._client.get_paginator("get_account_authorization_details")
        for page in pages.paginate(Filter=["User"], PaginationConfig=_PAGE_OF_USERS):
            yield tuple(self._listed(user) for user in page["UserDetailList"])

    def _listed(self, user: "UserDetailTypeDef") -> ListedUser:
        policies = user.get("AttachedManagedPolicies", [])
        return ListedUser(
            name=user["UserName"],
            id=user["UserId"],
            path=user["Path"],
            tags={tag["Key"]: tag["Value"] for tag in user.get("Tags", []) if tag["Key"] in GUARD_TAGS},
            created_at=user["CreateDate"],
            attached=any(policy["PolicyArn"] == self._policy_arn for policy in policies),
            in_group=self._group_name in user.get("GroupList", []),
        )

    def virtual_device_owners(self) -> frozenset[str]:
        """Return the ids of the users with an assigned virtual MFA device."""
        pages = self._client.get_paginator("list_virtual_mfa_devices")
        return frozenset(
            owner
            for page in pages.paginate(AssignmentStatus="Assigned", PaginationConfig=_PAGE)
            for device in page["VirtualMFADevices"]
            if (owner := _owner(device)) is not None
        )

    def _report(self, patience: float, *, ready: bool) -> tuple[CredentialReport | None, str | None]:
        raw = self.wait_for_report(patience, ready=ready)
        if raw is None:
            return (
                None,
                f"IAM did not finish the credential report in {patience:g} seconds. The next sweep tries again.",
            )
        try:
            report = parse_report(raw.content)
        except ReportNotUnderstood as error:
            return None, str(error)
        late = f"Rows of the credential report that could not be read and were left out: {report.unread}."
        return report, late if report.unread else None

    def wait_for_report(self, patience: float, *, ready: bool) -> RawReport | None:
        """Return the credential report, or None if IAM does not finish it within `patience` seconds.

        `ready` is what `generate_report` returned.
        """
        deadline = self._clock.now() + timedelta(seconds=patience)
        pause = _FIRST_PAUSE
        while True:
            if ready and (raw := self.get_report()) is not None:
                return raw
            left = (deadline - self._clock.now()).total_seconds()
            if left <= 0:
                return None
            self._clock.sleep(min(pause, left))
            pause *= 2
            ready = self.generate_report()

    def generate_report(self) -> bool:
        """Let IAM generate a credential report; tell whether one exists, which is then less than four hours old."""
        return self._client.generate_credential_report()["State"] == "COMPLETE"

    def get_report(self) -> RawReport | None:
        """Return the credential report that IAM has now, or None if it has none."""
        try:
            answer = self._client.get_credential_report()
        except ClientError as error:
            # A report may expire between the two calls. The next call of GenerateCredentialReport starts another.
            if error.response["Error"]["Code"] in _NO_REPORT:
                return None
            raise
        return RawReport(answer["Content"], answer["GeneratedTime"])


def _owner(device: "VirtualMFADeviceTypeDef") -> str | None:
    # Root may own a virtual device, and its id is the account's.
    owner = device.get("User")
    return owner.get("UserId") if owner and ":user/" in owner.get("Arn", "") else None
