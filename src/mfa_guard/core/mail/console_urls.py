"""The URLs of pages in the AWS console."""

from urllib.parse import quote

from mfa_guard.core.partitions import partition_named


def console_url(partition: str, path: str) -> str:
    """Return the URL of a page in the console of a partition."""
    return f"https://{partition_named(partition).console_host}/{path}"


def sign_in_url(partition: str, account: str) -> str:
    """Return the URL where the IAM users of an account sign in; `account` is its id or alias."""
    return f"https://{account}.{partition_named(partition).sign_in_host}/console"


def url_part(text: str) -> str:
    """Return `text` escaped for one part of a URL's path or fragment."""
    return quote(
        text,
        safe="",  # pragma: no mutate: The letter X is never escaped, so XXXX is no different.
    )
