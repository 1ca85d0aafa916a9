"""How the account's users stand at one moment: what is true, whatever IAM's reads show."""

from collections.abc import Mapping
from dataclasses import dataclass

from mfa_guard.core.user import GUARD_TAGS, Way
from mfa_guard_cli.local.account import Account


@dataclass(frozen=True)
class Snapshot:
    """One user. `ways`: how the enforcement policy reaches him; `exempt_until`: what the exemption record says."""

    user_id: str
    ways: tuple[Way, ...]
    tags: Mapping[str, str]
    devices: tuple[str, ...]
    password: bool
    keys: tuple[str, ...]
    exempt_until: str | None


def snapshots(account: Account) -> Mapping[str, Snapshot]:
    """Return every user of the account by name."""
    stack = account.stack
    policy_arn = str(stack.resolve({"Ref": "EnforcementPolicy"}))
    group = account.iam.groups[stack.physical_id("EnforcementGroup")]
    records = account.clients.dynamodb.scan(TableName=stack.physical_id("ExemptionsTable"))["Items"]
    exempt_until = {record["user_id"]["S"]: record["expires_at"]["S"] for record in records}
    return {
        name: Snapshot(
            user_id=user.id,
            ways=tuple(
                way
                for way, bound in {
                    Way.USER: policy_arn in user.managed_policies,
                    Way.GROUP: user in group.users,
                }.items()
                if bound
            ),
            tags={tag["Key"]: tag["Value"] for tag in user.tags or [] if tag["Key"] in GUARD_TAGS},
            devices=tuple(serial.rpartition("/")[2] for serial in user.mfa_devices),
            password=user.password is not None,
            keys=tuple(f"{key.access_key_id[-4:]} {key.status.lower()}" for key in user.access_keys),
            exempt_until=exempt_until.get(user.id),
        )
        for name, user in account.iam.users.items()
    }
