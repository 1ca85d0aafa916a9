"""Put the enforcement policy on one user, or take it off: the writes that events and sweeps share."""

from typing import Final

from mfa_guard.core.attachments import AttachmentRoute, WriteResult
from mfa_guard.core.errors import QuotaExceeded, UserGone
from mfa_guard.core.sanitize import sanitize
from mfa_guard.core.user import UserState
from mfa_guard.ports import Iam

NOTHING_WRITTEN: Final = WriteResult()


def enforce(name: str, route: AttachmentRoute, iam: Iam) -> WriteResult:
    """Bind the user, in the other way when the quota of this one is used up; a problem when both are.

    Raises UserGone when IAM knows the user, the policy or the group no more.
    """
    binding = {AttachmentRoute.DIRECT: iam.attach, AttachmentRoute.GROUP: iam.add_to_group}
    try:
        binding[route](name)
    except QuotaExceeded as first:
        try:
            binding[route.other](name)
        except QuotaExceeded as second:
            return WriteResult(
                problem=(
                    "neither the policy nor the group could be given. "
                    f"IAM said: {quota_text(first)}; {quota_text(second)}."
                )
            )
        return WriteResult(route=route.other, fell_back=True)
    return WriteResult(route=route)


def release(state: UserState, iam: Iam) -> WriteResult:
    """Release the user in every way that binds him. Raises UserGone when there is no such user any more."""
    releasing = {AttachmentRoute.DIRECT: iam.detach, AttachmentRoute.GROUP: iam.remove_from_group}
    for route in state.routes():
        try:
            releasing[route](state.name)
        except UserGone:
            # Somebody was faster, which is as good; if the user himself has gone, this call says so.
            iam.user(state.name)
    return WriteResult(released=state.routes())


def quota_text(refusal: QuotaExceeded) -> str:
    """Return IAM's words on a quota, as the middle of a sentence."""
    return sanitize(str(refusal)).rstrip(".")
