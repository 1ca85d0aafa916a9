"""The errors of AWS that the guard distinguishes."""


class UserGone(Exception):
    """The user does not exist, or something that a call about the user names does not exist."""


class AwsRequestFailed(Exception):
    """AWS refused a call or did not respond; the message begins with AWS's error code."""


class AccessDenied(AwsRequestFailed):
    """A permission is missing, or the resource cannot be changed: a retry is unlikely to help."""


class QuotaExceeded(AwsRequestFailed):
    """A quota of the account or the user is used up."""


class NotVisibleYet(Exception):
    """IAM does not show what an event moments ago proves; a retry will find it."""
