"""The past of access keys, for which IAM has no API: when a key was created and used."""

from datetime import datetime, timedelta
from typing import Final

from moto.iam.models import AccessKeyLastUsed, IAMBackend

# Old enough that the guard takes the use of the key for work that could break.
_AGE: Final = timedelta(days=400)


def record_key_use(iam: IAMBackend, region: str, user_name: str, key_id: str, when: datetime) -> None:
    """Set when an access key was last used, and let the key and its user exist for 400 days before that."""
    user = iam.get_user(user_name)
    key = user.get_access_key_by_id(key_id)
    key.last_used = AccessKeyLastUsed(when, "s3", region)
    user.create_date = key.create_date = (when - _AGE).replace(tzinfo=key.create_date.tzinfo)
