"""IAM: read and change one user at a time. Every error of AWS is translated; see `mfa_guard.adapters.errors`."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final

from mfa_guard.adapters.errors import translate_errors
from mfa_guard.core.errors import AccessDenied, UserGone
from mfa_guard.core.times import utc_text
from mfa_guard.core.user import (
    NONCOMPLIANT,
    SINCE_TAG,
    STATUS_TAG,
    WARNED_TAG,
    AccessKey,
    Device,
    ServiceCredential,
    UserState,
)

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient


# The most that IAM returns. https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListUsers.html
_USERS_PER_PAGE: Final = 1000


class IamUsers:
    """IAM users; see `mfa_guard.ports.Iam` for what each method promises."""

    PERMISSIONS: Final = (
        "iam:GetUser",
        "iam:ListMFADevices",
        "iam:ListAttachedUserPolicies",
        "iam:ListGroupsForUser",
        "iam:GetLoginProfile",
        "iam:ListAccessKeys",
        "iam:GetAccessKeyLastUsed",
        "iam:ListServiceSpecificCredentials",
        "iam:AttachUserPolicy",
        "iam:DetachUserPolicy",
        "iam:AddUserToGroup",
        "iam:RemoveUserFromGroup",
        "iam:TagUser",
        "iam:UntagUser",
    )

    def __init__(self, client: "IAMClient", policy_arn: str, group_name: str) -> None:
        self._client = client
        self._policy_arn = policy_arn
        self._group_name = group_name

    def user(self, name: str) -> UserState:
        """Return the user as GetUser shows it; all other fields are not loaded."""
        with translate_errors():
            user = self._client.get_user(UserName=name)["User"]
        tags = {tag["Key"]: tag["Value"] for tag in user.get("Tags", [])}
        return UserState(
            name=user["UserName"],
            id=user["UserId"],
            path=user["Path"],
            tags=tags,
            created_at=user["CreateDate"],
            boundary=user.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
        )

    def devices(self, name: str) -> tuple[Device, ...]:
        """Return the user's MFA devices of every type."""
        with translate_errors():
            pages = self._client.get_paginator("list_mfa_devices").paginate(UserName=name)
            return tuple(Device(d["SerialNumber"], d["EnableDate"]) for page in pages for d in page["MFADevices"])

    def attached(self, name: str) -> bool:
        """Tell whether the enforcement policy is attached directly to the user."""
        with translate_errors():
            pages = self._client.get_paginator("list_attached_user_policies").paginate(UserName=name)
            return any(p["PolicyArn"] == self._policy_arn for page in pages for p in page["AttachedPolicies"])

    def in_group(self, name: str) -> bool:
        """Tell whether the user is in the enforcement group."""
        with translate_errors():
            pages = self._client.get_paginator("list_groups_for_user").paginate(UserName=name)
            return any(group["GroupName"] == self._group_name for page in pages for group in page["Groups"])

    def password(self, name: str) -> bool:
        """Tell whether the user has a console password; false if the user does not exist."""
        try:
            with translate_errors():
                self._client.get_login_profile(UserName=name)
        except UserGone:
            return False
        return True

    def keys(self, name: str) -> tuple[AccessKey, ...]:
        """Return the user's access keys, each with its last use."""
        with translate_errors():
            pages = self._client.get_paginator("list_access_keys").paginate(UserName=name)
            listed = [key for page in pages for key in page["AccessKeyMetadata"]]
        return tuple(
            AccessKey(
                key["AccessKeyId"], key["Status"] == "Active", self._last_used(key["AccessKeyId"]), key["CreateDate"]
            )
            for key in listed
        )

    def _last_used(self, key_id: str) -> datetime | None:
        try:
            with translate_errors():
                used = self._client.get_access_key_last_used(AccessKeyId=key_id)["AccessKeyLastUsed"]
                return used.get("LastUsedDate")
        except UserGone:
            # The key is too new for this call, or was deleted after the list was read. It still counts as a key.
            return None

    def service_credentials(self, name: str) -> tuple[ServiceCredential, ...]:
        """Return the user's service-specific credentials."""
        with translate_errors():
            listed = self._client.list_service_specific_credentials(UserName=name)["ServiceSpecificCredentials"]
        return tuple(
            ServiceCredential(
                c["ServiceSpecificCredentialId"], c["ServiceName"], c["Status"] == "Active", c["CreateDate"]
            )
            for c in listed
        )

    def key_owner(self, key_id: str) -> str | None:
        """Return the current name of the key's user, or None for a key that IAM does not know."""
        try:
            with translate_errors():
                return self._client.get_access_key_last_used(AccessKeyId=key_id).get("UserName")
        except (UserGone, AccessDenied):
            # IAM can answer AccessDenied for a key that does not exist.
            return None

    def attach(self, name: str) -> None:
        """Attach the enforcement policy to the user."""
        with translate_errors():
            self._client.attach_user_policy(UserName=name, PolicyArn=self._policy_arn)

    def detach(self, name: str) -> None:
        """Detach the enforcement policy from the user."""
        with translate_errors():
            self._client.detach_user_policy(UserName=name, PolicyArn=self._policy_arn)

    def add_to_group(self, name: str) -> None:
        """Add the user to the enforcement group."""
        with translate_errors():
            self._client.add_user_to_group(UserName=name, GroupName=self._group_name)

    def remove_from_group(self, name: str) -> None:
        """Remove the user from the enforcement group."""
        with translate_errors():
            self._client.remove_user_from_group(UserName=name, GroupName=self._group_name)

    def mark(self, name: str, since: datetime) -> None:
        """Tag the user noncompliant since `since`."""
        tags = {STATUS_TAG: NONCOMPLIANT, SINCE_TAG: utc_text(since)}
        with translate_errors():
            self._client.tag_user(UserName=name, Tags=[{"Key": key, "Value": value} for key, value in tags.items()])

    def warn(self, name: str, at: datetime) -> None:
        """Tag the user with the time at which the deactivation of the user's keys was announced."""
        with translate_errors():
            self._client.tag_user(UserName=name, Tags=[{"Key": WARNED_TAG, "Value": utc_text(at)}])

    def clear(self, name: str, tags: Iterable[str]) -> None:
        """Remove the tags with the keys `tags` from the user."""
        with translate_errors():
            self._client.untag_user(UserName=name, TagKeys=list(tags))


class IamLookup:
    """Reads that only some events need; see `mfa_guard.ports.UserLookup` for what each method promises."""

    PERMISSIONS: Final = ("iam:ListUsers", "iam:GetPolicy", "iam:GetPolicyVersion")

    def __init__(self, client: "IAMClient") -> None:
        self._client = client

    def name_of(self, user_id: str) -> str | None:
        """Return the current name of the user with this id."""
        with translate_errors():
            pages = self._client.get_paginator("list_users").paginate(PaginationConfig={"PageSize": _USERS_PER_PAGE})
            return next(
                (user["UserName"] for page in pages for user in page["Users"] if user["UserId"] == user_id), None
            )

    def policy_document(self, arn: str) -> Mapping[str, object] | None:
        """Return the default version of a managed policy."""
        try:
            with translate_errors():
                version = self._client.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
                found = self._client.get_policy_version(PolicyArn=arn, VersionId=version)
        except UserGone:
            return None
        document: object = found["PolicyVersion"]["Document"]
        return document if isinstance(document, Mapping) else None


class AccessKeys:
    """Deactivates access keys, which only a stack with DeactivateKeysAfterDays may do; see `mfa_guard.ports.Keys`."""

    PERMISSIONS: Final = ("iam:UpdateAccessKey",)

    def __init__(self, client: "IAMClient") -> None:
        self._client = client

    def deactivate(self, name: str, key_id: str) -> None:
        """Make an access key of the user inactive. An administrator can make it active again."""
        with translate_errors():
            self._client.update_access_key(UserName=name, AccessKeyId=key_id, Status="Inactive")
