"""Switching access keys off: apart from `iam`, as only a stack that escalates has the permission."""

from typing import TYPE_CHECKING, Final

from mfa_guard.adapters.iam import translated

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

PERMISSIONS: Final = ("iam:UpdateAccessKey",)


class AccessKeys:
    """Access keys; see `mfa_guard.ports.Keys`."""

    def __init__(self, client: "IAMClient") -> None:
        self._client = client

    def deactivate(self, name: str, key_id: str) -> None:
        """Make a key of the user inactive, which is undone by making it active."""
        with translated():
            self._client.update_access_key(UserName=name, AccessKeyId=key_id, Status="Inactive")
