"""Where the console of a partition is."""

from collections.abc import Mapping
from typing import Final

_CONSOLES: Final[Mapping[str, str]] = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}
_SIGN_IN: Final[Mapping[str, str]] = {
    "aws": "signin.aws.amazon.com",
    "aws-cn": "signin.amazonaws.cn",
    "aws-us-gov": "signin.amazonaws-us-gov.com",
}


def console_url(partition: str, path: str) -> str:
    """Return a page of the partition's console."""
    return f"https://{_CONSOLES.get(partition, _CONSOLES['aws'])}/{path}"


def sign_in_url(partition: str, account: str) -> str:
    """Return the page where IAM users of an account sign in; `account` is its id or alias."""
    return f"https://{account}.{_SIGN_IN.get(partition, _SIGN_IN['aws'])}/console"
