"""What a well-kept account has beside the stack: a trail, root's MFA device, an administrator."""

from typing import Final

from moto.iam.models import AccessKey, IAMBackend
from moto.s3.models import s3_backends

from mfa_guard_cli.stack.template import Stack
from mfa_guard_emulator.aws.keys import ADMINISTRATOR_KEY
from mfa_guard_emulator.aws.resources import Clients

ADMINISTRATOR: Final = "carol"
TRAIL: Final = "account-trail"
_BUCKET: Final = "account-trail-bucket"


def keep_well(stack: Stack, iam: IAMBackend, clients: Clients) -> None:
    """Add what the health checks look for, unrecorded. Subscriptions are confirmed already, as moto's are."""
    # moto has no call that gives root a device.
    iam.account_summary._account_mfa_enabled = 1  # noqa: SLF001
    s3_backends[stack.account][stack.partition].create_bucket(_BUCKET, stack.region)
    trails = clients.any("cloudtrail")
    trails.create_trail(Name=TRAIL, S3BucketName=_BUCKET, IsMultiRegionTrail=True, IncludeGlobalServiceEvents=True)
    # Every new trail has this selector; moto forgets it.
    selector = {"ReadWriteType": "All", "IncludeManagementEvents": True}
    trails.put_event_selectors(TrailName=TRAIL, EventSelectors=[selector])
    trails.start_logging(Name=TRAIL)


def make_administrator(iam: IAMBackend, region: str) -> None:
    """Let there be an administrator whose key everybody may know."""
    iam.create_user(region, user_name=ADMINISTRATOR)
    key: AccessKey = iam.create_access_key(user_name=ADMINISTRATOR)
    iam.access_keys.pop(key.access_key_id, None)
    key.access_key_id, key.secret_access_key = ADMINISTRATOR_KEY
    iam.access_keys[key.access_key_id] = key
