"""What moto's IAM lacks or does otherwise than AWS, mended where the guard would notice."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Final
from unittest.mock import patch

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.iam import models
from moto.iam.exceptions import LimitExceededException, NotFoundException
from moto.iam.models import IAMBackend, MFADevice, User
from moto.iam.responses import IamResponse
from moto.iam.utils import generate_access_key_id_from_account_id

# IAM's default quotas. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
POLICIES_PER_USER: Final = 10
GROUPS_PER_USER: Final = 10
TAGS_PER_USER: Final = 50


class Lag:
    """IAM's eventual consistency, which moto does not have: what reads do not show yet, or show still."""

    def __init__(self) -> None:
        self._unseen: Counter[str] = Counter()
        self._lingering: dict[str, Mapping[str, MFADevice]] = {}

    def hide(self, user: str, *, reads: int) -> None:
        """Let the next reads of a user answer that there is none."""
        self._unseen[user] = reads

    def linger(self, user: User) -> None:
        """Let listings go on showing the MFA devices that the user has now."""
        self._lingering[user.name] = dict(user.mfa_devices)

    def settle(self) -> None:
        """Let every read show what is true."""
        self._unseen.clear()
        self._lingering.clear()

    def raise_if_unseen(self, user: str) -> None:
        """Raise what IAM answers for a user whom it does not show yet."""
        if self._unseen[user] > 0:
            self._unseen[user] -= 1
            raise NotFoundException(f"The user with name {user} cannot be found.")

    def devices(self, user: str, listed: Iterable[MFADevice]) -> list[MFADevice]:
        """Return what a listing shows."""
        return list({**self._lingering.get(user, {}), **{device.serial_number: device for device in listed}}.values())


@contextmanager
def mended() -> Iterator[Lag]:
    """Mend moto's IAM until the end; yields what rules its eventual consistency."""
    lag = Lag()
    with ExitStack() as patches:
        for target, name, replacement in (
            *_reads(lag),
            (User, "__init__", _with_aws_like_id()),
            (models, "utcnow", _whole_seconds),
            (IAMBackend, "attach_user_policy", _with_policy_quota()),
            (IAMBackend, "add_user_to_group", _with_group_quota()),
            (IAMBackend, "tag_user", _with_tag_quota()),
            (IAMBackend, "update_user", _keeping_tags()),
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


def _with_aws_like_id() -> object:
    """A user's id begins with AIDA; moto's are twenty lower-case letters and digits."""
    init = User.__init__

    def init_with_id(user: User, account_id: str, region_name: str, name: str, path: str | None = None) -> None:
        init(user, account_id, region_name, name, path)
        user.id = generate_access_key_id_from_account_id(account_id, prefix="AIDA", total_length=21)

    return init_with_id


def _whole_seconds() -> datetime:
    """IAM keeps whole seconds, as CloudTrail does; with moto's fractions a device looks newer than its own removal."""
    return utcnow().replace(microsecond=0)


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
