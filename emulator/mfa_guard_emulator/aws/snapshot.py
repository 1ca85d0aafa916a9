"""The state of the account's users at one moment: what is true, even where IAM's reads show an older state."""

from collections.abc import Mapping
from dataclasses import dataclass

from moto.dynamodb.models import dynamodb_backends
from moto.iam.models import IAMBackend

from mfa_guard.core.attachments import AttachmentRoute
from mfa_guard.core.user import GUARD_TAGS
from mfa_guard_cli.stack.template import Stack


@dataclass(frozen=True)
class Key:
    """One access key."""

    id: str
    status: str

    def __str__(self) -> str:
        """Return the last characters of the key's id, and its status."""
        return f"{self.id[-4:]} {self.status.lower()}"


@dataclass(frozen=True)
class Snapshot:
    """One user. `routes`: how the enforcement policy applies. `exempt_until`: the end in the exemption record."""

    user_id: str
    path: str
    routes: tuple[AttachmentRoute, ...]
    tags: Mapping[str, str]
    devices: tuple[str, ...]
    password: bool
    keys: tuple[Key, ...]
    exempt_until: str | None


def snapshots(stack: Stack, iam: IAMBackend) -> Mapping[str, Snapshot]:
    """Return every user of the account by name."""
    policy_arn = str(stack.resolve({"Ref": "EnforcementPolicy"}))
    group = iam.groups.get(stack.physical_id("EnforcementGroup"))
    members = group.users if group else []
    exempt_until = _exemptions(stack)
    return {
        name: Snapshot(
            user_id=user.id,
            path=user.path,
            routes=tuple(
                route
                for route, attached in {
                    AttachmentRoute.DIRECT: policy_arn in user.managed_policies,
                    AttachmentRoute.GROUP: user in members,
                }.items()
                if attached
            ),
            tags={tag["Key"]: tag["Value"] for tag in user.tags or [] if tag["Key"] in GUARD_TAGS},
            devices=tuple(serial.rpartition("/")[2] for serial in tuple(user.mfa_devices)),
            password=user.password is not None,
            keys=tuple(Key(key.access_key_id, key.status) for key in tuple(user.access_keys)),
            exempt_until=exempt_until.get(user.id),
        )
        for name, user in tuple(iam.users.items())
    }


def _exemptions(stack: Stack) -> Mapping[str, str]:
    """Return the end of each exemption record, by user id."""
    table = dynamodb_backends[stack.account][stack.region].tables.get(stack.physical_id("ExemptionsTable"))
    records = (item.to_json()["Attributes"] for item in tuple(table.all_items())) if table else ()
    return {
        record["user_id"]["S"]: record.get("expires_at", {}).get("S", "")
        for record in records
        if "S" in record.get("user_id", {})
    }
