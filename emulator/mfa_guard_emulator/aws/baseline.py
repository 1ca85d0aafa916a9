"""What the account has besides the stack: a trail, an MFA device for root, and an administrator."""

from typing import Final

from moto.iam.models import AccessKey, IAMBackend
from moto.s3.models import s3_backends

from mfa_guard_cli.stack.template import Stack
from mfa_guard_emulator.aws.resources import Clients
from mfa_guard_emulator.endpoint import ADMINISTRATOR_KEY

ADMINISTRATOR: Final = "carol"
TRAIL: Final = "account-trail"
_BUCKET: Final = "account-trail-bucket"


def create_baseline(stack: Stack, iam: IAMBackend, clients: Clients) -> None:
    """Create what the health checks look for, without records in CloudTrail.

    Subscriptions need no confirmation in moto.
    """
    # moto has no call that enables a device for root.
    iam.account_summary._account_mfa_enabled = 1  # noqa: SLF001
    s3_backends[stack.account][stack.partition].create_bucket(_BUCKET, stack.region)
    trails = clients.any("cloudtrail")
    trails.create_trail(Name=TRAIL, S3BucketName=_BUCKET, IsMultiRegionTrail=True, IncludeGlobalServiceEvents=True)
    # AWS gives every new trail this selector; moto does not.
    selector = {"ReadWriteType": "All", "IncludeManagementEvents": True}
    trails.put_event_selectors(TrailName=TRAIL, EventSelectors=[selector])
    trails.start_logging(Name=TRAIL)


def create_administrator(iam: IAMBackend, region: str) -> None:
    """Create the administrator, whose access key is ADMINISTRATOR_KEY."""
    iam.create_user(region, user_name=ADMINISTRATOR)
    key: AccessKey = iam.create_access_key(user_name=ADMINISTRATOR)
    iam.access_keys.pop(key.access_key_id, None)
    key.access_key_id, key.secret_access_key = ADMINISTRATOR_KEY.key_id, ADMINISTRATOR_KEY.secret
    iam.access_keys[key.access_key_id] = key
