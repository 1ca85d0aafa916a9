"""What moto lacks or does otherwise than AWS, mostly in IAM, mended where the guard would notice."""

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from typing import Final, TypeVar
from unittest.mock import patch

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.events.models import Rule
from moto.iam import models
from moto.iam.exceptions import (
    DeleteConflictException,
    IAMException,
    LimitExceededException,
    NotFoundException,
    ReportNotPresentException,
)
from moto.iam.models import AccessKey, IAMBackend, MFADevice, PolicyVersion, User, VirtualMfaDevice
from moto.iam.responses import IamResponse
from moto.iam.utils import generate_access_key_id_from_account_id

# IAM's default quotas. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
POLICIES_PER_USER: Final = 10
GROUPS_PER_USER: Final = 10
TAGS_PER_USER: Final = 50

# https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_getting-report.html
REPORT_KEPT: Final = timedelta(hours=4)
ROWS_UNASKED: Final = 100
ROWS_AT_MOST: Final = 1000

T = TypeVar("T")


class ReportExpiredException(IAMException):
    """GetCredentialReport refuses a report that is four hours old."""

    code = "ReportExpired"


class ReportInProgressException(IAMException):
    """GetCredentialReport has nothing to answer while a report is being made."""

    code = "ReportInProgress"


class CredentialReport:
    """The account's credential report: made when it is asked for, and the same for four hours, whatever happens.

    `polls` counts how many times it has to be asked for again until it is ready.
    """

    def __init__(self) -> None:
        self.polls = 1
        self._content = ""
        self._made: datetime | None = None
        self._pending = 0

    def forget(self) -> None:
        """Let the next request make a new report."""
        self._made = None

    def generate(self, backend: IAMBackend) -> Mapping[str, str]:
        """Answer GenerateCredentialReport."""
        if self._made is None or self._expired(self._made):
            description = "No report exists. Starting a new report generation task"
            self._content, self._made, self._pending = _credential_report(backend), utcnow(), self.polls
            return {"State": "STARTED", "Description": description}
        self._pending = max(0, self._pending - 1)
        return {"State": "INPROGRESS" if self._pending else "COMPLETE"}

    def get(self) -> Mapping[str, object]:
        """Answer GetCredentialReport."""
        if self._made is None:
            raise ReportNotPresentException("Unknown")
        if self._pending:
            raise ReportInProgressException("Unknown")
        if self._expired(self._made):
            raise ReportExpiredException("Unknown")
        return {"Content": self._content, "ReportFormat": "text/csv", "GeneratedTime": self._made}

    def _expired(self, made: datetime) -> bool:
        return utcnow() - made > REPORT_KEPT


class Lag:
    """What IAM's reads do not show at once, which moto's do: eventual consistency, pages, the credential report."""

    def __init__(self) -> None:
        self.report = CredentialReport()
        self._rows = ROWS_AT_MOST
        self._unseen: Counter[str] = Counter()
        self._lingering: dict[str, Mapping[str, MFADevice]] = {}

    def shorten_pages(self, rows: int) -> None:
        """Let listings answer with at most so many rows, however many are asked for."""
        self._rows = rows

    def hide(self, user: str, *, reads: int) -> None:
        """Let the next reads of a user answer that there is none."""
        self._unseen[user] = reads

    def linger(self, user: User) -> None:
        """Let listings go on showing the MFA devices that the user has now."""
        self._lingering[user.name] = dict(user.mfa_devices)

    def settle(self) -> None:
        """Let every read show what is true, the next credential report as well."""
        self._unseen.clear()
        self._lingering.clear()
        self.report.forget()

    def raise_if_unseen(self, user: str) -> None:
        """Raise what IAM answers for a user whom it does not show yet."""
        if self._unseen[user] > 0:
            self._unseen[user] -= 1
            raise NotFoundException(f"The user with name {user} cannot be found.")

    def page(self, rows: Sequence[T], marker: str | None, asked: int | str | None) -> tuple[Sequence[T], str | None]:
        """Return one page of `rows`, and the marker of the next when there is one."""
        start = int(marker or 0)
        end = start + min(int(asked or ROWS_UNASKED), self._rows)
        return rows[start:end], str(end) if end < len(rows) else None

    def devices(self, user: str, listed: Iterable[MFADevice]) -> list[MFADevice]:
        """Return what a listing shows."""
        return list({**self._lingering.get(user, {}), **{device.serial_number: device for device in listed}}.values())


@contextmanager
def mended(now: Callable[[], datetime]) -> Iterator[Lag]:
    """Mend moto until the end; yields what rules IAM's eventual consistency. `now` tells the time in UTC."""
    lag = Lag()
    with ExitStack() as patches:
        for target, name, replacement in (
            *_reads(lag),
            *_listings(lag),
            *_reports(lag.report),
            (User, "__init__", _with_aws_like_id()),
            (models, "utcnow", _whole_seconds(now)),
            (Rule, "send_to_targets", _left_to_the_bus),
            (IAMBackend, "attach_user_policy", _with_policy_quota()),
            (IAMBackend, "add_user_to_group", _with_group_quota()),
            (IAMBackend, "tag_user", _with_tag_quota()),
            (IAMBackend, "update_user", _keeping_tags()),
            (IAMBackend, "delete_policy", _unless_attached()),
            (IamResponse, "create_login_profile", _remembering_the_reset()),
            (IamResponse, "create_policy_version", _without_document()),
        ):
            patches.enter_context(patch.object(target, name, replacement))
        # moto raises NotImplementedError for it, and the guard asks it of every user without a password.
        missing = patch.object(IamResponse, "list_service_specific_credentials", _no_service_credentials, create=True)
        patches.enter_context(missing)
        yield lag


def _reads(lag: Lag) -> tuple[tuple[type, str, object], ...]:
    get_user, list_mfa_devices = IAMBackend.get_user, IAMBackend.list_mfa_devices

    def lagging_get_user(backend: IAMBackend, name: str) -> User:
        lag.raise_if_unseen(name)
        return get_user(backend, name)

    def lagging_list(backend: IAMBackend, user_name: str) -> list[MFADevice]:
        return lag.devices(user_name, list_mfa_devices(backend, user_name))

    return (IAMBackend, "get_user", lagging_get_user), (IAMBackend, "list_mfa_devices", lagging_list)


def _listings(lag: Lag) -> tuple[tuple[type, str, object], ...]:
    """Listings that moto never cuts into pages, or cuts into one page too many."""
    list_users, details = IamResponse.list_users, IamResponse.get_account_authorization_details
    list_virtual = IAMBackend.list_virtual_mfa_devices

    def paged_virtual(
        backend: IAMBackend, status: str, marker: str | None, asked: int
    ) -> tuple[Sequence[VirtualMfaDevice], str | None]:
        devices, _ = list_virtual(backend, status, None, len(backend.virtual_mfa_devices) + 1)
        for device in devices:
            if device.user and device.user_attribute:
                # The owner may have been renamed since; moto shows him as he was.
                device.user_attribute |= {"UserName": device.user.name, "Arn": device.user.arn}
        return lag.page(devices, marker, asked)

    return (
        (IamResponse, "list_users", _paged(lag, list_users, ("Users",))),
        (IamResponse, "get_account_authorization_details", _paged(lag, details, _DETAILS)),
        (IAMBackend, "list_virtual_mfa_devices", paged_virtual),
    )


_DETAILS: Final = ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies")


def _paged(lag: Lag, whole: Callable[[IamResponse], ActionResult], lists: Sequence[str]) -> object:
    # moto makes the whole listing for every page of it: for thousands of users, minutes.
    kept: list[tuple[str, object]] = []

    def paged(response: IamResponse) -> ActionResult:
        marker, asked = (response._get_param(name) for name in ("Marker", "MaxItems"))  # noqa: SLF001
        if not marker:
            answer: Mapping[str, Iterable[object]] = whole(response).result  # type: ignore[assignment]
            kept[:] = [(name, row) for name in lists for row in answer[name]]
        page, following = lag.page(tuple(kept), marker, asked)
        listed = {name: [row for listed_in, row in page if listed_in == name] for name in lists}
        return ActionResult({**listed, "IsTruncated": following is not None, "Marker": following})

    return paged


def _reports(report: CredentialReport) -> tuple[tuple[type, str, object], ...]:
    def generate(response: IamResponse) -> ActionResult:
        return ActionResult(report.generate(response.backend))

    def get(response: IamResponse) -> ActionResult:  # noqa: ARG001 - moto's signature
        return ActionResult(report.get())

    return (IamResponse, "generate_credential_report", generate), (IamResponse, "get_credential_report", get)


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
    """Return the report as IAM writes it: root first, users by name, no newline at the end."""
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


def _with_aws_like_id() -> object:
    """A user's id begins with AIDA; moto's are twenty lower-case letters and digits."""
    init = User.__init__

    def init_with_id(user: User, account_id: str, region_name: str, name: str, path: str | None = None) -> None:
        init(user, account_id, region_name, name, path)
        user.id = generate_access_key_id_from_account_id(account_id, prefix="AIDA", total_length=21)

    return init_with_id


def _whole_seconds(now: Callable[[], datetime]) -> object:
    """IAM keeps whole seconds, as CloudTrail does; with moto's fractions a device looks newer than its own removal."""
    return lambda: now().replace(microsecond=0, tzinfo=None)


def _left_to_the_bus(rule: Rule, event: object) -> None:
    """PutEvents invokes nothing here; moto raises NotImplementedError for a function among the targets."""


def _with_policy_quota() -> object:
    attach = IAMBackend.attach_user_policy

    def attach_within_quota(backend: IAMBackend, policy_arn: str, user_name: str) -> None:
        attached = backend.get_user(user_name).managed_policies
        if policy_arn not in attached and len(attached) >= POLICIES_PER_USER:
            raise LimitExceededException(f"Cannot exceed quota for PoliciesPerUser: {POLICIES_PER_USER}")
        attach(backend, policy_arn, user_name)

    return attach_within_quota


def _with_group_quota() -> object:
    join = IAMBackend.add_user_to_group

    def join_within_quota(backend: IAMBackend, group_name: str, user_name: str) -> None:
        groups = [group.name for group in backend.get_groups_for_user(user_name)]
        if group_name not in groups and len(groups) >= GROUPS_PER_USER:
            raise LimitExceededException(f"Cannot exceed quota for GroupsPerUser: {GROUPS_PER_USER}")
        join(backend, group_name, user_name)

    return join_within_quota


def _with_tag_quota() -> object:
    tag = IAMBackend.tag_user

    def tag_within_quota(backend: IAMBackend, name: str, tags: list[dict[str, str]]) -> None:
        present = {each["Key"] for each in backend.get_user(name).tags or []}
        if len(present | {each["Key"] for each in tags}) > TAGS_PER_USER:
            raise LimitExceededException(f"Cannot exceed quota for TagsPerUser: {TAGS_PER_USER}")
        tag(backend, name, tags)

    return tag_within_quota


def _unless_attached() -> object:
    """IAM keeps a policy that is attached to somebody."""
    delete = IAMBackend.delete_policy

    def delete_unless_attached(backend: IAMBackend, policy_arn: str) -> None:
        policy = backend.managed_policies.get(policy_arn)
        if policy is not None and policy.attachment_count > 0:
            raise DeleteConflictException("Cannot delete a policy attached to entities.")
        delete(backend, policy_arn)

    return delete_unless_attached


def _without_document() -> object:
    """IAM answers with the new version, and without the document that it was given."""
    create = IamResponse.create_policy_version

    def create_and_tell(response: IamResponse) -> ActionResult:
        answered: Mapping[str, PolicyVersion] = create(response).result  # type: ignore[assignment]
        made = answered["PolicyVersion"]
        shown = {"VersionId": made.version_id, "IsDefaultVersion": made.is_default, "CreateDate": made.create_date}
        return ActionResult({"PolicyVersion": shown})

    return create_and_tell


def _remembering_the_reset() -> object:
    """A password may have to be changed at the first sign-in; moto answers that it has not, whatever was asked."""
    create = IamResponse.create_login_profile

    def create_and_remember(response: IamResponse) -> ActionResult:
        create(response)
        name, asked = (response._get_param(each) for each in ("UserName", "PasswordResetRequired"))  # noqa: SLF001
        response.backend.get_user(name).password_reset_required = str(asked).lower() == "true"
        return response.get_login_profile()

    return create_and_remember


def _keeping_tags() -> object:
    """Tags follow a user who is renamed or moved; moto keeps them under the old ARN."""
    update = IAMBackend.update_user

    def update_keeping_tags(
        backend: IAMBackend, user_name: str, new_path: str | None = None, new_user_name: str | None = None
    ) -> None:
        user = backend.get_user(user_name)
        old_arn, tags = user.arn, user.tags
        update(backend, user_name, new_path, new_user_name)
        if tags and user.arn != old_arn:
            backend.tagger.delete_all_tags_for_resource(old_arn)
            backend.tagger.tag_resource(user.arn, tags)

    return update_keeping_tags


def _no_service_credentials(response: IamResponse) -> ActionResult:
    response.backend.get_user(response._get_param("UserName"))  # noqa: SLF001 - how moto's responses read parameters
    return ActionResult({"ServiceSpecificCredentials": []})
