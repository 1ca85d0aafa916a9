"""A large account, generated page by page, to measure the memory that a sweep takes."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from mfa_guard.core.user import AccessKey
from support.factories import ACCOUNT, NOW, POLICY, key
from support.fakes import FakeIam, FakeTelemetry


class Quiet(FakeTelemetry):
    """Telemetry that keeps no line, as a log does not."""

    def info(self, message: str, **data: object) -> None:
        pass


class Accepting(FakeIam):
    """IAM that accepts every write about any user, and keeps nothing."""

    def __init__(self) -> None:
        pass

    def attach(self, name: str) -> None:
        pass

    def password(self, name: str) -> bool:  # noqa: ARG002
        return True

    def keys(self, name: str) -> tuple[AccessKey, ...]:
        return (key(name, used=None),)


@dataclass
class LargeAccount:
    """An IAM with many users, which generates pages of 100 rows on request."""

    users: int
    enforced: bool = True
    calls: Counter[str] = field(default_factory=Counter)

    def get_paginator(self, operation: str) -> "LargeAccount._Pages":
        return self._Pages(self, operation)

    def generate_credential_report(self) -> dict[str, str]:
        return {"State": "COMPLETE"}

    def get_credential_report(self) -> dict[str, object]:
        columns = (
            "user,arn,user_creation_time,password_enabled,mfa_active,access_key_1_active,access_key_1_last_rotated,"
            "access_key_1_last_used_date,access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date"
        )
        used = "true,2025-06-01T08:00:00Z,2026-02-20T09:15:00Z"
        rows = (f"{self.name(n)},{self.arn(n)},2025-06-01T08:00:00Z,true,true,{used},{used}" for n in range(self.users))
        return {"Content": "\n".join([columns, *rows]).encode(), "GeneratedTime": NOW}

    def name(self, number: int) -> str:
        return f"someone.with.a.long.name.{number:05}@department.example.com"

    def arn(self, number: int) -> str:
        return f"arn:aws:iam::{ACCOUNT}:user/organization/division/{self.name(number)}"

    def row(self, operation: str, number: int) -> dict[str, object]:
        user = {
            "Path": "/organization/division/",
            "UserName": self.name(number),
            "UserId": f"AIDA{number:017}",
            "Arn": self.arn(number),
            "CreateDate": datetime(2025, 6, 1, 8, 0, 0, tzinfo=UTC),
            "GroupList": [f"group-{group}" for group in range(9)],
            "AttachedManagedPolicies": [{"PolicyName": "Enroll", "PolicyArn": POLICY}] * 10 * self.enforced,
            "UserPolicyList": [{"PolicyName": "inline", "PolicyDocument": "x" * 2048}],
            "Tags": [{"Key": f"key-{tag}", "Value": "v" * 256} for tag in range(48)],
        }
        if operation == "list_virtual_mfa_devices":
            return {"SerialNumber": f"arn:aws:iam::{ACCOUNT}:mfa/{number}", "User": user}
        return user

    @property
    def writer(self) -> "Accepting":
        """Return the calls about one user."""
        return Accepting()

    @dataclass(frozen=True)
    class _Pages:
        account: "LargeAccount"
        operation: str

        def paginate(self, **_: object) -> Iterator[dict[str, object]]:
            key = {
                "get_account_authorization_details": "UserDetailList",
                "list_virtual_mfa_devices": "VirtualMFADevices",
            }[self.operation]
            for start in range(0, self.account.users, 100):
                self.account.calls[self.operation] += 1
                yield {key: [self.account.row(self.operation, number) for number in range(start, start + 100)]}
