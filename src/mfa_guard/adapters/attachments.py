"""IAM: what the stack has attached to users, groups and roles, and how the teardown removes it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from mfa_guard.adapters.errors import translate_errors
from mfa_guard.core.attachments import Attachment, AttachmentKind
from mfa_guard.core.errors import UserGone
from mfa_guard.core.user import GUARD_TAGS

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_iam.type_defs import ListEntitiesForPolicyResponseTypeDef, PaginatorConfigTypeDef


# The largest page that IAM allows; IAM may return shorter pages.
_PAGE: Final["PaginatorConfigTypeDef"] = {"PageSize": 1000}


class IamAttachments:
    """Finds and removes the policy, the group memberships and the tags; see `mfa_guard.ports.Attachments`."""

    PERMISSIONS: Final = (
        "iam:ListEntitiesForPolicy",
        "iam:GetGroup",
        "iam:GetAccountAuthorizationDetails",
        "iam:DetachUserPolicy",
        "iam:DetachGroupPolicy",
        "iam:DetachRolePolicy",
        "iam:RemoveUserFromGroup",
        "iam:UntagUser",
    )

    def __init__(self, client: "IAMClient", policy_arn: str, group_name: str) -> None:
        self._client = client
        self._policy_arn = policy_arn
        self._group_name = group_name
        self._calls: Mapping[AttachmentKind, Callable[[Attachment], object]] = {
            AttachmentKind.POLICY_ON_USER: self._detach_user,
            AttachmentKind.POLICY_ON_GROUP: self._detach_group,
            AttachmentKind.POLICY_ON_ROLE: self._detach_role,
            AttachmentKind.MEMBERSHIP: self._remove_member,
            AttachmentKind.TAGS: self._untag,
        }

    def attached(self) -> Iterator[tuple[Attachment, ...]]:
        """Yield the users, groups and roles that the policy is attached to; none if the policy does not exist.

        Permissions boundaries are left alone, because a user without the boundary could do more than before.
        """
        pages = self._client.get_paginator("list_entities_for_policy")
        with suppress(UserGone), translate_errors():
            for page in pages.paginate(
                PolicyArn=self._policy_arn, PolicyUsageFilter="PermissionsPolicy", PaginationConfig=_PAGE
            ):
                yield tuple(self._entities(page))

    def _entities(self, page: "ListEntitiesForPolicyResponseTypeDef") -> Iterator[Attachment]:
        yield from (Attachment(AttachmentKind.POLICY_ON_USER, user["UserName"]) for user in page["PolicyUsers"])
        yield from (Attachment(AttachmentKind.POLICY_ON_ROLE, role["RoleName"]) for role in page["PolicyRoles"])
        groups = (group["GroupName"] for group in page["PolicyGroups"])
        yield from (Attachment(AttachmentKind.POLICY_ON_GROUP, name) for name in groups if name != self._group_name)

    def members(self) -> Iterator[tuple[Attachment, ...]]:
        """Yield the members of the enforcement group; none if the group does not exist."""
        pages = self._client.get_paginator("get_group")
        with suppress(UserGone), translate_errors():
            for page in pages.paginate(GroupName=self._group_name, PaginationConfig=_PAGE):
                yield tuple(Attachment(AttachmentKind.MEMBERSHIP, user["UserName"]) for user in page["Users"])

    def tagged(self) -> Iterator[tuple[Attachment, ...]]:
        """Yield the users who have any of the guard's tags."""
        pages = self._client.get_paginator("get_account_authorization_details")
        with translate_errors():
            for page in pages.paginate(Filter=["User"], PaginationConfig=_PAGE):
                tags = {
                    user["UserName"]: tuple(tag["Key"] for tag in user.get("Tags", []) if tag["Key"] in GUARD_TAGS)
                    for user in page["UserDetailList"]
                }
                yield tuple(Attachment(AttachmentKind.TAGS, name, keys) for name, keys in tags.items() if keys)

    def remove(self, attachment: Attachment) -> None:
        """Detach the policy, or remove the membership or the tags."""
        with suppress(UserGone), translate_errors():
            self._calls[attachment.kind](attachment)

    def _detach_user(self, attachment: Attachment) -> object:
        return self._client.detach_user_policy(UserName=attachment.name, PolicyArn=self._policy_arn)

    def _detach_group(self, attachment: Attachment) -> object:
        return self._client.detach_group_policy(GroupName=attachment.name, PolicyArn=self._policy_arn)

    def _detach_role(self, attachment: Attachment) -> object:
        return self._client.detach_role_policy(RoleName=attachment.name, PolicyArn=self._policy_arn)

    def _remove_member(self, attachment: Attachment) -> object:
        return self._client.remove_user_from_group(UserName=attachment.name, GroupName=self._group_name)

    def _untag(self, attachment: Attachment) -> object:
        return self._client.untag_user(UserName=attachment.name, TagKeys=list(attachment.tags))
