"""What a notice about a user can draw on: the event, the user, the plan, and what mfa-guard wrote."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from mfa_guard.core.attachments import AttachmentRoute, WriteResult
from mfa_guard.core.cloudtrail import PASSWORD, UserEvent
from mfa_guard.core.plan import EventPlan
from mfa_guard.core.sanitize import sanitize
from mfa_guard.core.settings import Settings
from mfa_guard.core.user import UserState

# What the API calls that announce a credential with an id announce.
_CREDENTIALS: Final[Mapping[str, str]] = {
    "AccessKey": "access key",
    "ServiceSpecificCredential": "service-specific credential",
    "SSHPublicKey": "SSH public key",
    "SigningCertificate": "signing certificate",
}


@dataclass(frozen=True)
class NoticeContext:
    """The facts of one notice. `state` is the user before mfa-guard wrote anything, `result` is what it wrote."""

    event: UserEvent
    state: UserState
    plan: EventPlan
    result: WriteResult
    settings: Settings
    now: datetime

    @property
    def name(self) -> str:
        """Return the user's name."""
        return self.state.name

    @property
    def actor(self) -> str:
        """Return who made the API call."""
        return sanitize(self.event.record.actor.label)

    @property
    def actor_and_key(self) -> str:
        """Return who made the API call, and the id of the long-term access key that signed it, if one did."""
        key_id = self.event.record.actor.key_id
        return f"{self.actor} (access key {sanitize(key_id, 128)})" if key_id else self.actor

    @property
    def device(self) -> str:
        """Return the MFA device that the event names."""
        serial = self.event.device
        return f"the MFA device {sanitize(serial)}" if serial else "an MFA device"

    @property
    def announced(self) -> str | None:
        """Return the credential that the event announces, or None if it announces none."""
        credential = self.event.announced
        if credential is None:
            return None
        if credential == PASSWORD:
            return "a console password"
        kind = next((text for name, text in _CREDENTIALS.items() if name in self.event.record.name), "credential")
        return f"the {kind} {sanitize(credential, 128)}"

    @property
    def policy(self) -> str:
        """Return the name of the enforcement policy."""
        return self.settings.policy_arn.rpartition("/")[2]

    @property
    def routes_before(self) -> tuple[AttachmentRoute, ...]:
        """Return the routes by which the policy applied before mfa-guard wrote anything, as far as they are loaded."""
        found = {AttachmentRoute.DIRECT: self.state.attached, AttachmentRoute.GROUP: self.state.in_group}
        return tuple(route for route, applies in found.items() if applies is True)

    @property
    def was_enforced(self) -> bool:
        """Tell whether the policy applied to the user before mfa-guard wrote anything."""
        return bool(self.routes_before)

    @property
    def is_enforced(self) -> bool:
        """Tell whether the policy applies to the user now."""
        return self.result.route is not None or self.was_enforced
