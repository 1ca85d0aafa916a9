"""The boto3 session that a command works with."""

import boto3
from botocore.session import Session

_HOME = "us-east-1"
# Neither AWS_PROFILE nor AWS_DEFAULT_PROFILE.
_NO_PROFILE = {"profile": (None, None, None, None)}


def open_session(profile: str | None, region: str | None, *, inherit_profile: bool = True) -> boto3.Session:
    """Return a session for a profile and a region; without a region anywhere, IAM's home of the partition aws.

    Without `inherit_profile` the environment's AWS_PROFILE does not count. Raises botocore's ProfileNotFound.
    """

    def opened(region: str | None) -> boto3.Session:
        core = Session(session_vars=None if inherit_profile else _NO_PROFILE)
        return boto3.Session(botocore_session=core, profile_name=profile, region_name=region)

    session = opened(region)
    return session if session.region_name else opened(_HOME)
