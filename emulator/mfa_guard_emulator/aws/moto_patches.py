"""Patches for moto, mostly of IAM, where it differs from AWS in a way that matters to the guard."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Final
from unittest.mock import patch

from moto.awslambda.models import EventSourceMapping, LambdaBackend
from moto.core.responses import ActionResult
from moto.dynamodb.models.table import Table
from moto.events.models import Rule
from moto.iam import models
from moto.iam.exceptions import DeleteConflictException, LimitExceededException
from moto.iam.models import IAMBackend, PolicyVersion, User
from moto.iam.responses import IamResponse
from moto.iam.utils import generate_access_key_id_from_account_id
from moto.sqs.models import Message, SQSBackend

from mfa_guard_cli.stack.intrinsics import STREAM_LABEL
from mfa_guard_emulator.aws.iam_consistency import (
    patch_consistency,
    shown_details,
    shown_users,
    shown_virtual_devices,
)
from mfa_guard_emulator.aws.iam_reads import CredentialReport, IamReads
from mfa_guard_emulator.aws.stale_reads import StaleReads
from mfa_guard_emulator.aws.user_credentials import ServiceSpecificCredentials, other_patches

# IAM's default quotas. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
POLICIES_PER_USER: Final = 10
GROUPS_PER_USER: Final = 10
TAGS_PER_USER: Final = 50


@contextmanager
def patch_moto(now: Callable[[], datetime]) -> Iterator[IamReads]:
    """Patch moto until the end of the block; yields what controls IAM's reads. `now` returns the time in UTC."""
    reads = IamReads(now)
    with ExitStack() as patches:
        for target, name, replacement in (
            *_listings(reads),
            *_reports(reads.report),
            (User, "__init__", _with_aws_like_id()),
            (models, "utcnow", _whole_seconds(now)),
            (Rule, "send_to_targets", _send_nothing),
            (LambdaBackend, "send_dynamodb_items", _send_no_items),
            (LambdaBackend, "put_function_event_invoke_config", _replacing_configuration()),
            (EventSourceMapping, "__init__", _named_by_function()),
            (Table, "set_stream_specification", _with_first_label()),
            (IAMBackend, "attach_user_policy", _with_policy_quota()),
            (IAMBackend, "add_user_to_group", _with_group_quota()),
            (IAMBackend, "tag_user", _with_tag_quota()),
            (IAMBackend, "update_user", _keeping_tags()),
            (IAMBackend, "delete_policy", _unless_attached()),
            (IamResponse, "create_login_profile", _with_password_reset()),
            (IamResponse, "create_policy_version", _without_document()),
            (SQSBackend, "receive_message", _without_waiting()),
        ):
            patches.enter_context(patch.object(target, name, replacement))
        service_credentials = ServiceSpecificCredentials(_whole_seconds(now))
        for target, name, replacement in (*service_credentials.patches(), *other_patches()):
            # moto does not have some of these calls.
            patches.enter_context(patch.object(target, name, replacement, create=True))
        # Last, because they wrap the patches above.
        patch_consistency(patches, reads.stale)
        yield reads


def _listings(reads: IamReads) -> tuple[tuple[type, str, object], ...]:
    """Return patches for listings that moto does not divide into pages, or for which it adds an empty page."""
    list_users, details = IamResponse.list_users, IamResponse.get_account_authorization_details
    list_virtual = IAMBackend.list_virtual_mfa_devices

    def paged_virtual(
        backend: IAMBackend, status: str, marker: str | None, requested: int
    ) -> tuple[Sequence[object], str | None]:
        devices, _ = list_virtual(backend, status, None, len(backend.virtual_mfa_devices) + 1)
        for device in devices:
            if device.user and device.user_attribute:
                # moto shows the name that the owner had when the device was enabled.
                device.user_attribute |= {"UserName": device.user.name, "Arn": device.user.arn}
        if reads.stale.may_show_past and status == "Assigned":
            return reads.page(shown_virtual_devices(backend, reads.stale, devices), marker, requested)
        return reads.page(devices, marker, requested)

    return (
        (IamResponse, "list_users", _paged(reads, list_users, shown_users, ("Users",))),
        (IamResponse, "get_account_authorization_details", _paged(reads, details, shown_details, _DETAILS)),
        (IAMBackend, "list_virtual_mfa_devices", paged_virtual),
    )


_DETAILS: Final = ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies")


def _paged(
    reads: IamReads,
    whole: Callable[[IamResponse], ActionResult],
    shown: Callable[[IAMBackend, StaleReads], Iterable[object]],
    lists: Sequence[str],
) -> object:
    # moto computes the whole listing for every page, which takes minutes for thousands of users.
    kept: list[tuple[str, object]] = []

    def paged(response: IamResponse) -> ActionResult:
        marker, requested = (response._get_param(name) for name in ("Marker", "MaxItems"))  # noqa: SLF001
        if not marker:
            answer: dict[str, Iterable[object]] = dict(whole(response).result)  # type: ignore[call-overload]
            if reads.stale.may_show_past:
                answer[lists[0]] = shown(response.backend, reads.stale)
            kept[:] = [(name, row) for name in lists for row in answer[name]]
        page, following = reads.page(tuple(kept), marker, requested)
        listed = {name: [row for listed_in, row in page if listed_in == name] for name in lists}
        return ActionResult({**listed, "IsTruncated": following is not None, "Marker": following})

    return paged


def _reports(report: CredentialReport) -> tuple[tuple[type, str, object], ...]:
    def generate(response: IamResponse) -> ActionResult:
        return ActionResult(report.generate(response.backend))

    def get(response: IamResponse) -> ActionResult:  # noqa: ARG001 - moto's signature
        return ActionResult(report.get())

    return (IamResponse, "generate_credential_report", generate), (IamResponse, "get_credential_report", get)


def _with_aws_like_id() -> object:
    """Make user ids that begin with AIDA; moto's are twenty lower-case letters and digits."""
    init = User.__init__

    def init_with_id(user: User, account_id: str, region_name: str, name: str, path: str | None = None) -> None:
        init(user, account_id, region_name, name, path)
        user.id = generate_access_key_id_from_account_id(account_id, prefix="AIDA", total_length=21)

    return init_with_id


def _whole_seconds(now: Callable[[], datetime]) -> Callable[[], datetime]:
    """Return whole seconds, as IAM does. With moto's fractions, a device can look newer than its removal."""
    return lambda: now().replace(microsecond=0, tzinfo=None)


def _send_nothing(rule: Rule, event: object) -> None:
    """Send nothing, because the event bus of the local account does; moto does not support functions as targets."""


def _send_no_items(backend: LambdaBackend, function_arn: str, items: object, source: str) -> bool:  # noqa: ARG001
    """Send nothing, because the local account reads the stream; moto would start a container."""
    return False


def _replacing_configuration() -> object:
    """Replace the configuration for asynchronous invocations; moto keeps showing the first one."""
    put = LambdaBackend.put_function_event_invoke_config

    def put_instead(backend: LambdaBackend, function_name: str, config: dict[str, object]) -> Mapping[str, object]:
        backend.get_function(function_name).event_invoke_config = []
        return put(backend, function_name, config)

    return put_instead


def _named_by_function() -> object:
    """Give a mapping the id that the rendered template has, in place of a random one."""
    init = EventSourceMapping.__init__

    def init_with_id(mapping: EventSourceMapping, spec: dict[str, object]) -> None:
        init(mapping, spec)
        mapping.uuid = mapping.function_name

    return init_with_id


def _with_first_label() -> object:
    """Give a table's first stream the label that the rendered template has. A stream that replaces it gets another."""
    specify = Table.set_stream_specification

    def specify_with_label(table: Table, streams: dict[str, object] | None) -> None:
        first = table.latest_stream_label is None
        specify(table, streams)
        if first and table.latest_stream_label is not None:
            table.latest_stream_label = STREAM_LABEL

    return specify_with_label


def _with_policy_quota() -> object:
    """Attach within the quota, and at most once: moto counts a repeated attachment as a second one."""
    attach = IAMBackend.attach_user_policy

    def attach_within_quota(backend: IAMBackend, policy_arn: str, user_name: str) -> None:
        attached = backend.get_user(user_name).managed_policies
        if policy_arn in attached:
            return
        if len(attached) >= POLICIES_PER_USER:
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
    """Refuse to delete a policy that is attached, as IAM does."""
    delete = IAMBackend.delete_policy

    def delete_unless_attached(backend: IAMBackend, policy_arn: str) -> None:
        policy = backend.managed_policies.get(policy_arn)
        if policy is not None and policy.attachment_count > 0:
            raise DeleteConflictException("Cannot delete a policy attached to entities.")
        delete(backend, policy_arn)

    return delete_unless_attached


def _without_document() -> object:
    """Answer without the document of the new version, as IAM does."""
    create = IamResponse.create_policy_version

    def create_without_document(response: IamResponse) -> ActionResult:
        answered: Mapping[str, PolicyVersion] = create(response).result  # type: ignore[assignment]
        made = answered["PolicyVersion"]
        shown = {"VersionId": made.version_id, "IsDefaultVersion": made.is_default, "CreateDate": made.create_date}
        return ActionResult({"PolicyVersion": shown})

    return create_without_document


def _with_password_reset() -> object:
    """Store whether the password must be changed at the first sign-in, which moto does not."""
    create = IamResponse.create_login_profile

    def create_with_reset(response: IamResponse) -> ActionResult:
        answered: Mapping[str, Mapping[str, object]] = create(response).result  # type: ignore[assignment]
        name, required = (response._get_param(each) for each in ("UserName", "PasswordResetRequired"))  # noqa: SLF001
        reset = str(required).lower() == "true"
        response.backend.get_user(name).password_reset_required = reset
        return ActionResult({"LoginProfile": {**answered["LoginProfile"], "PasswordResetRequired": reset}})

    return create_with_reset


def _keeping_tags() -> object:
    """Keep the tags and the keys of a user who is renamed or moved; moto keeps them under the old ARN and name."""
    update = IAMBackend.update_user

    def update_keeping_tags(
        backend: IAMBackend, user_name: str, new_path: str | None = None, new_user_name: str | None = None
    ) -> None:
        user = backend.get_user(user_name)
        old_arn, tags = user.arn, user.tags
        update(backend, user_name, new_path, new_user_name)
        for key in user.access_keys:
            key.user_name = user.name
        if tags and user.arn != old_arn:
            backend.tagger.delete_all_tags_for_resource(old_arn)
            backend.tagger.tag_resource(user.arn, tags)

    return update_keeping_tags


def _without_waiting() -> object:
    """Answer a long poll at once: nothing is sent to a queue meanwhile, and moto would wait in real time."""
    receive = SQSBackend.receive_message

    def receive_at_once(
        backend: SQSBackend, queue: str, count: int, _wait: int, hidden: int, names: list[str]
    ) -> list[Message]:
        return receive(backend, queue, count, 0, hidden, names)

    return receive_at_once
