"""IAM's reads: eventual consistency, pages, and the credential report, none of which moto has."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeVar

from moto.core.utils import utcnow
from moto.iam.exceptions import IAMException, ReportNotPresentException
from moto.iam.models import AccessKey, IAMBackend, User

from mfa_guard_emulator.aws.stale_reads import StaleReads

# https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_getting-report.html
REPORT_LIFETIME: Final = timedelta(hours=4)
DEFAULT_ROWS: Final = 100
MAXIMUM_ROWS: Final = 1000

T = TypeVar("T")


class ReportExpiredException(IAMException):
    """GetCredentialReport does not return a report that is older than four hours."""

    code = "ReportExpired"


class ReportInProgressException(IAMException):
    """GetCredentialReport returns nothing while IAM creates a report."""

    code = "ReportInProgress"


class CredentialReport:
    """The account's credential report. IAM creates it on request, and returns the same report for four hours.

    `polls` is how many further requests find the report in progress.
    """

    def __init__(self) -> None:
        self.polls = 1
        self._content = ""
        self._created: datetime | None = None
        self._pending = 0

    def expire(self) -> None:
        """Make the next request create a new report."""
        self._created = None

    def generate(self, backend: IAMBackend) -> Mapping[str, str]:
        """Answer GenerateCredentialReport."""
        if self._created is None or self._expired(self._created):
            description = "No report exists. Starting a new report generation task"
            self._content, self._created, self._pending = _credential_report(backend), utcnow(), self.polls
            return {"State": "STARTED", "Description": description}
        self._pending = max(0, self._pending - 1)
        return {"State": "INPROGRESS" if self._pending else "COMPLETE"}

    def get(self) -> Mapping[str, object]:
        """Answer GetCredentialReport."""
        if self._created is None:
            raise ReportNotPresentException("Unknown")
        if self._pending:
            raise ReportInProgressException("Unknown")
        if self._expired(self._created):
            raise ReportExpiredException("Unknown")
        return {"Content": self._content, "ReportFormat": "text/csv", "GeneratedTime": self._created}

    def _expired(self, created: datetime) -> bool:
        return utcnow() - created > REPORT_LIFETIME


class IamReads:
    """What IAM's reads show, which may differ from what is true."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.report = CredentialReport()
        self.stale = StaleReads(now)
        self._rows = MAXIMUM_ROWS

    def limit_pages(self, rows: int) -> None:
        """Make listings return at most `rows` rows, even if a call asks for more."""
        self._rows = rows

    def become_consistent(self) -> None:
        """Make every read show what is true, also the next credential report."""
        self.stale.become_consistent()
        self.report.expire()

    def page(
        self, rows: Sequence[T], marker: str | None, requested: int | str | None
    ) -> tuple[Sequence[T], str | None]:
        """Return one page of `rows`, and the marker of the next page, if there is one."""
        start = int(marker or 0)
        end = start + min(int(requested or DEFAULT_ROWS), self._rows)
        return rows[start:end], str(end) if end < len(rows) else None


_REPORT_COLUMNS: Final = (
    "user",
    "arn",
    "user_creation_time",
    "password_enabled",
    "password_last_used",
    "password_last_changed",
    "password_next_rotation",
    "mfa_active",
    "access_key_1_active",
    "access_key_1_last_rotated",
    "access_key_1_last_used_date",
    "access_key_1_last_used_region",
    "access_key_1_last_used_service",
    "access_key_2_active",
    "access_key_2_last_rotated",
    "access_key_2_last_used_date",
    "access_key_2_last_used_region",
    "access_key_2_last_used_service",
    "cert_1_active",
    "cert_1_last_rotated",
    "cert_2_active",
    "cert_2_last_rotated",
)
_NO_KEY: Final = ("false", "N/A", "N/A", "N/A", "N/A")
_NO_CERTIFICATES: Final = ("false", "N/A", "false", "N/A")


def _credential_report(backend: IAMBackend) -> str:
    """Return the report as IAM writes it: root first, then users by name, without a newline at the end."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    root = f"arn:{backend.partition}:iam::{backend.account_id}:root"
    password = ("not_supported", "no_information", "not_supported", "not_supported")
    writer.writerow(_REPORT_COLUMNS)
    writer.writerow(
        ("<root_account>", root, _time(utcnow()), *password, "false", *_NO_KEY, *_NO_KEY, *_NO_CERTIFICATES)
    )
    users = sorted(backend.users.values(), key=lambda user: user.name.casefold())
    writer.writerows(_report_row(user) for user in users)
    return text.getvalue().removesuffix("\n")


def _report_row(user: User) -> tuple[str, ...]:
    password = ("true", "no_information", _time(user.create_date), "N/A") if user.password else ("false", *["N/A"] * 3)
    keys = [_report_key(key) for key in sorted(user.access_keys, key=lambda key: key.access_key_id)]
    first, second = (*keys, _NO_KEY, _NO_KEY)[:2]
    devices = "true" if user.mfa_devices else "false"
    return (user.name, user.arn, _time(user.create_date), *password, devices, *first, *second, *_NO_CERTIFICATES)


def _report_key(key: AccessKey) -> tuple[str, ...]:
    used = (_time(key.last_used.timestamp), key.last_used.region, key.last_used.service) if key.last_used else None
    return ("true" if key.status == "Active" else "false", _time(key.create_date), *(used or ["N/A"] * 3))


def _time(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S+00:00")
