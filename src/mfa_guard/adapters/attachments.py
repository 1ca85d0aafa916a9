"""IAM, as far as it shows whom the stack still holds on to, and lets them go."""

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


# The most that one may ask for; IAM may answer with shorter pages.
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
        self._take_off: Mapping[AttachmentKind, Callable[[Attachment], object]] = {
            AttachmentKind.POLICY_ON_USER: self._detach_user,
            AttachmentKind.POLICY_ON_GROUP: self._detach_group,
            AttachmentKind.POLICY_ON_ROLE: self._detach_role,
            AttachmentKind.MEMBERSHIP: self._remove,
            AttachmentKind.TAGS: self._untag,
        }

    def attached(self) -> Iterator[tuple[Attachment, ...]]:
        """Yield what the policy is attached to. Whoever has it as a permissions boundary is left alone.

        Without his boundary he could do more than before. No policy, nothing attached.
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
        """Yield the members of the enforcement group; none when there is no group."""
        pages = self._client.get_paginator("get_group")
        with suppress(UserGone), translate_errors():
            for page in pages.paginate(GroupName=self._group_name, PaginationConfig=_PAGE):
                yield tuple(Attachment(AttachmentKind.MEMBERSHIP, user["UserName"]) for user in page["Users"])

    def tagged(self) -> Iterator[tuple[Attachment, ...]]:
        """Yield the users who carry any of the guard's tags."""
        pages = self._client.get_paginator("get_account_authorization_details")
        with translate_errors():
            for page in pages.paginate(Filter=["User"], PaginationConfig=_PAGE):
                tags = {
                    user["UserName"]: tuple(tag["Key"] for tag in user.get("Tags", []) if tag["Key"] in GUARD_TAGS)
                    for user in page["UserDetailList"]
                }
                yield tuple(Attachment(AttachmentKind.TAGS, name, keys) for name, keys in tags.items() if keys)

    def remove(self, attachment: Attachment) -> None:
        """Take the policy, the membership or the tags off."""
        with suppress(UserGone), translate_errors():
            self._take_off[attachment.kind](attachment)

    def _detach_user(self, attachment: Attachment) -> object:
        return self._client.detach_user_policy(UserName=attachment.name, PolicyArn=self._policy_arn)

    def _detach_group(self, attachment: Attachment) -> object:
        return self._client.detach_group_policy(GroupName=attachment.name, PolicyArn=self._policy_arn)

    def _detach_role(self, attachment: Attachment) -> object:
        return self._client.detach_role_policy(RoleName=attachment.name, PolicyArn=self._policy_arn)

    def _remove(self, attachment: Attachment) -> object:
        return self._client.remove_user_from_group(UserName=attachment.name, GroupName=self._group_name)

    def _untag(self, attachment: Attachment) -> object:
        return self._client.untag_user(UserName=attachment.name, TagKeys=list(attachment.tags))
