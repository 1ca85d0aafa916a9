"""One factory for each concept, with defaults that no test depends on."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from mfa_guard.core.attachments import AttachmentRoute
from mfa_guard.core.exemption import Exemption
from mfa_guard.core.settings import EnforceOn, Mode, Settings, WorkingMachineUsers
from mfa_guard.core.user import NONCOMPLIANT, SINCE_TAG, STATUS_TAG, AccessKey, Device, ServiceCredential, UserState
from mfa_guard.core.user_record import NO_RECORD, Decision, ScopeReason, Standing

ROOT_OF_THE_PROJECT = Path(__file__).parents[2]
NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
# The age of the users and credentials of the tests: old enough to show work.
OLD = timedelta(days=400)
ACCOUNT = "111122223333"
POLICY = f"arn:aws:iam::{ACCOUNT}:policy/EnrollMFADeviceThenSignInAgain"
GROUP = "mfa-guard-enforced"
MARKED = {STATUS_TAG: NONCOMPLIANT, SINCE_TAG: "2026-02-01T00:00:00Z"}

_ids = count(1)


def settings(**changes: object) -> Settings:
    """Return the template's default settings with `changes`."""
    base = Settings(
        mode=Mode.EVENTS,
        enforce_through=AttachmentRoute.DIRECT,
        enforce_on=EnforceOn.ALL,
        working_machine_users=WorkingMachineUsers.REVIEW,
        exempt_path_prefixes=(),
        deactivate_keys_after_days=0,
        help_url="https://wiki.example.com/mfa",
        policy_arn=POLICY,
        group_name=GROUP,
        notices_topic_arn=f"arn:aws:sns:us-east-1:{ACCOUNT}:notices",
        operations_topic_arn=f"arn:aws:sns:us-east-1:{ACCOUNT}:operations",
        state_table="state",
        exemptions_table="exemptions",
        summary_queue_url=f"https://sqs.us-east-1.amazonaws.com/{ACCOUNT}/summaries",
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def device(serial: str = f"arn:aws:iam::{ACCOUNT}:mfa/phone", *, enabled_at: datetime = NOW) -> Device:
    return Device(serial, enabled_at)


def key(
    key_id: str = "AKIAEXAMPLE1",
    *,
    active: bool = True,
    used: timedelta | None = timedelta(days=1),
    age: timedelta = OLD,
) -> AccessKey:
    """Return an access key that was last used, and was created, some time before NOW; `used=None` for never."""
    return AccessKey(key_id, active, None if used is None else NOW - used, NOW - age)


def service_credential(
    credential_id: str = "ACCA1",
    service: str = "codecommit.amazonaws.com",
    *,
    active: bool = True,
    age: timedelta = OLD,
) -> ServiceCredential:
    """Return a service-specific credential that was created some time before NOW."""
    return ServiceCredential(credential_id, service, active, NOW - age)


def exemption(user_id: str = "AIDAEXAMPLE", *, ends: timedelta = timedelta(days=30)) -> Exemption:
    return Exemption(user_id, "alice", "platform team", "build machine", "role/Admin/bob", NOW + ends)


def state(**changes: object) -> UserState:
    """Return a loaded user: enforced, with one device, a password and no keys, not tagged and not exempt."""
    base = UserState(
        name="alice",
        id="AIDAEXAMPLE",
        path="/",
        tags={},
        created_at=NOW - OLD,
        exemption=None,
        devices=(device(),),
        attached=True,
        in_group=False,
        password=True,
        keys=(),
        service_credentials=(),
        record=NO_RECORD,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def decision(**changes: object) -> Decision:
    """Return the decision about a new user, who is enforced."""
    base = Decision("alice", Standing.ENFORCED, NOW, enforced=True, scope=ScopeReason.CREATED)
    return replace(base, **changes)  # type: ignore[arg-type]


def user_identity(name: str = "bob", **changes: object) -> dict[str, object]:
    """Return the userIdentity of an IAM user's console session with MFA."""
    return {
        "type": "IAMUser",
        "principalId": "AIDABOB",
        "arn": f"arn:aws:iam::{ACCOUNT}:user/{name}",
        "accountId": ACCOUNT,
        "accessKeyId": "ASIAEXAMPLE",
        "userName": name,
        "sessionContext": {"attributes": {"mfaAuthenticated": "true"}},
        **changes,
    }


def long_term_key(name: str = "bob") -> dict[str, object]:
    """Return the userIdentity of an IAM user who uses an access key."""
    identity = user_identity(name, accessKeyId="AKIAEXAMPLE9")
    del identity["sessionContext"]
    return identity


def role_identity(role: str = "Admin", session: str = "bob@example.com") -> dict[str, object]:
    """Return the userIdentity of a role session with MFA."""
    return {
        "type": "AssumedRole",
        "principalId": f"AROAEXAMPLE:{session}",
        "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{session}",
        "accountId": ACCOUNT,
        "accessKeyId": "ASIAEXAMPLE",
        "sessionContext": {
            "sessionIssuer": {"type": "Role", "userName": role, "arn": f"arn:aws:iam::{ACCOUNT}:role/{role}"},
            "attributes": {"mfaAuthenticated": "true"},
        },
    }


def detail(name: str, request: Mapping[str, object] | None = None, **changes: object) -> dict[str, object]:
    """Return CloudTrail's record of the IAM call `name`, about alice unless `request` names another user."""
    return {
        "eventVersion": "1.11",
        "eventID": f"event-{next(_ids)}",
        "eventName": name,
        "eventSource": "iam.amazonaws.com",
        "eventTime": "2026-03-01T11:59:30Z",
        "awsRegion": "us-east-1",
        "recipientAccountId": ACCOUNT,
        "userIdentity": role_identity(),
        "sourceIPAddress": "192.0.2.10",
        "userAgent": "aws-cli/2.30",
        "requestParameters": {"userName": "alice"} if request is None else request,
        "responseElements": None,
        **changes,
    }


def envelope(record: Mapping[str, object]) -> dict[str, object]:
    """Return the EventBridge event that carries `record`."""
    source = str(record["eventSource"]).partition(".")[0]
    return {
        "version": "0",
        "id": f"delivery-{next(_ids)}",
        "detail-type": "AWS API Call via CloudTrail",
        "source": f"aws.{source}",
        "account": ACCOUNT,
        "time": record["eventTime"],
        "region": "us-east-1",
        "resources": [],
        "detail": record,
    }


def stream_record(
    name: str, item: Mapping[str, str] | None, *, old: Mapping[str, str] | None = None
) -> dict[str, object]:
    """Return a record of the exemption table's stream: INSERT, MODIFY or REMOVE."""
    images = {"NewImage": item, "OldImage": old}
    shown = {key: {k: {"S": v} for k, v in image.items()} for key, image in images.items() if image is not None}
    user_id = (item or old or {})["user_id"]
    return {
        "eventID": f"stream-{next(_ids)}",
        "eventName": name,
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": (NOW - timedelta(seconds=30)).timestamp(),
            "Keys": {"user_id": {"S": user_id}},
            "StreamViewType": "NEW_AND_OLD_IMAGES",
            **shown,
        },
    }
