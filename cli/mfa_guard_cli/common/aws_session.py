"""The boto3 session that a command works with."""

from typing import Final

import boto3
from botocore.session import Session

_DEFAULT_REGION: Final = "us-east-1"
# Ignores AWS_PROFILE and AWS_DEFAULT_PROFILE.
_NO_PROFILE: Final = {"profile": (None, None, None, None)}


def open_session(profile: str | None, region: str | None, *, inherit_profile: bool = True) -> boto3.Session:
    """Return a session for a profile and a region. Without a region anywhere, it is us-east-1.

    If `inherit_profile` is false, AWS_PROFILE is ignored. Raises botocore's ProfileNotFound.
    """

    def open_in(region: str | None) -> boto3.Session:
        core = Session(session_vars=None if inherit_profile else _NO_PROFILE)
        return boto3.Session(botocore_session=core, profile_name=profile, region_name=region)

    session = open_in(region)
    return session if session.region_name else open_in(_DEFAULT_REGION)
