"""The errors of AWS that the guard tells apart."""


class UserGone(Exception):
    """IAM knows no such user, or not what a write to the user names."""


class QuotaExceeded(Exception):
    """IAM refuses a write because an account or user quota is used up; the message is IAM's."""


class AwsRequestFailed(Exception):
    """IAM refuses a call, or does not answer, for any other reason; the message begins with AWS's error code."""


class AccessDenied(AwsRequestFailed):
    """A refusal that asking again will hardly change: a permission is missing, or the thing cannot be changed."""


class UserNotVisibleYet(Exception):
    """IAM does not show a user who was made moments ago; a retry will find him."""
