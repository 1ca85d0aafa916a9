"""IAM's virtual MFA devices that belong to no user."""

from typing import TYPE_CHECKING, Final

from mfa_guard.adapters.errors import translate_errors

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient


class VirtualDevices:
    """Counts the unassigned devices; see `mfa_guard.ports.UnassignedDevices`."""

    PERMISSIONS: Final = ("iam:ListVirtualMFADevices",)

    def __init__(self, client: "IAMClient") -> None:
        self._client = client

    def count(self, most: int) -> int:
        """Return the number of unassigned devices, but at most `most`."""
        found = 0
        with translate_errors():
            for page in self._client.get_paginator("list_virtual_mfa_devices").paginate(AssignmentStatus="Unassigned"):
                found += len(page["VirtualMFADevices"])
                if found >= most:
                    return most
        return found
