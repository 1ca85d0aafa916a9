"""The boto3 session that a command works with."""

import boto3

_HOME = "us-east-1"


def open_session(profile: str | None, region: str | None) -> boto3.Session:
    """Return a session for a profile and a region; without a region anywhere, IAM's home of the partition aws.

    Raises botocore's ProfileNotFound.
    """
    session = boto3.Session(profile_name=profile, region_name=region)
    if session.region_name:
        return session
    return boto3.Session(profile_name=profile, region_name=_HOME)
