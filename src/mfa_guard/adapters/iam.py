"""IAM: boto3's answers into what the guard knows of a user, and error codes into the few errors it tells apart."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from mfa_guard.core.errors import AwsRequestFailed, QuotaExceeded, UserGone
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


class IamUsers:
    """IAM's users, one call at a time; see `mfa_guard.ports.Iam` for what each method promises."""

    def __init__(self, client: "IAMClient", policy_arn: str, group_name: str) -> None:
        self._client = client
        self._policy_arn = policy_arn
        self._group_name = group_name

    def user(self, name: str) -> UserState:
        """Return what GetUser says, with nothing else asked yet."""
        with translated():
            user = self._client.get_user(UserName=name)["User"]
        tags = {tag["Key"]: tag["Value"] for tag in user.get("Tags", [])}
        return UserState(name=user["UserName"], id=user["UserId"], path=user["Path"], tags=tags)

    def devices(self, name: str) -> tuple[Device, ...]:
        """Return the user's MFA devices of every type."""
        with translated():
            pages = self._client.get_paginator("list_mfa_devices").paginate(UserName=name)
            return tuple(Device(d["SerialNumber"], d["EnableDate"]) for page in pages for d in page["MFADevices"])

    def attached(self, name: str) -> bool:
        """Tell whether the enforcement policy is attached to the user himself."""
        with translated():
            pages = self._client.get_paginator("list_attached_user_policies").paginate(UserName=name)
            return any(p["PolicyArn"] == self._policy_arn for page in pages for p in page["AttachedPolicies"])

    def in_group(self, name: str) -> bool:
        """Tell whether the user is in the enforcement group."""
        with translated():
            pages = self._client.get_paginator("list_groups_for_user").paginate(UserName=name)
            return any(group["GroupName"] == self._group_name for page in pages for group in page["Groups"])

    def password(self, name: str) -> bool:
        """Tell whether the user has a console password. A user who is gone has none either."""
        try:
            with translated():
                self._client.get_login_profile(UserName=name)
        except UserGone:
            return False
        return True

    def keys(self, name: str) -> tuple[AccessKey, ...]:
        """Return the user's access keys, each with its last use."""
        with translated():
            pages = self._client.get_paginator("list_access_keys").paginate(UserName=name)
            listed = [key for page in pages for key in page["AccessKeyMetadata"]]
        return tuple(
            AccessKey(key["AccessKeyId"], key["Status"] == "Active", self._last_used(key["AccessKeyId"]))
            for key in listed
        )

    def _last_used(self, key_id: str) -> datetime | None:
        try:
            with translated():
                used = self._client.get_access_key_last_used(AccessKeyId=key_id)["AccessKeyLastUsed"]
                return used.get("LastUsedDate")
        except UserGone:
            # Too new for this call, or gone between the two. Either way IAM has just listed it, so it is told of.
            return None

    def service_credentials(self, name: str) -> tuple[ServiceCredential, ...]:
        """Return the user's service-specific credentials."""
        with translated():
            listed = self._client.list_service_specific_credentials(UserName=name)["ServiceSpecificCredentials"]
        return tuple(
            ServiceCredential(c["ServiceSpecificCredentialId"], c["ServiceName"], active=c["Status"] == "Active")
            for c in listed
        )

    def attach(self, name: str) -> None:
        """Attach the enforcement policy to the user."""
        with translated():
            self._client.attach_user_policy(UserName=name, PolicyArn=self._policy_arn)

    def detach(self, name: str) -> None:
        """Detach the enforcement policy from the user."""
        with translated():
            self._client.detach_user_policy(UserName=name, PolicyArn=self._policy_arn)

    def add_to_group(self, name: str) -> None:
        """Add the user to the enforcement group."""
        with translated():
            self._client.add_user_to_group(UserName=name, GroupName=self._group_name)

    def remove_from_group(self, name: str) -> None:
        """Remove the user from the enforcement group."""
        with translated():
            self._client.remove_user_from_group(UserName=name, GroupName=self._group_name)

    def mark(self, name: str, since: datetime) -> None:
        """Tag the user noncompliant since `since`."""
        tags = {STATUS_TAG: NONCOMPLIANT, SINCE_TAG: utc_text(since)}
        with translated():
            self._client.tag_user(UserName=name, Tags=[{"Key": key, "Value": value} for key, value in tags.items()])

    def warn(self, name: str, at: datetime) -> None:
        """Note in a tag that the deactivation of the user's keys was announced."""
        with translated():
            self._client.tag_user(UserName=name, Tags=[{"Key": WARNED_TAG, "Value": utc_text(at)}])

    def clear(self, name: str, tags: Iterable[str]) -> None:
        """Remove the guard's tags `tags` from the user."""
        with translated():
            self._client.untag_user(UserName=name, TagKeys=list(tags))


@contextmanager
def translated() -> Iterator[None]:
    """Turn AWS's refusals into the guard's errors: UserGone, QuotaExceeded, Refused."""
    try:
        yield
    except ClientError as error:
        message = error.response["Error"].get("Message", "")
        match error.response["Error"]["Code"]:
            case "NoSuchEntity":
                raise UserGone(message) from error
            case "LimitExceeded":
                raise QuotaExceeded(message) from error
            case code:
                raise AwsRequestFailed(f"{code}: {message}") from error
    except BotoCoreError as error:
        raise AwsRequestFailed(f"{type(error).__name__}: {error}") from error
