"""Enforce or release one user: the writes that events, sweeps and the command line share."""

from mfa_guard.core.attachments import AttachmentRoute, WriteResult
from mfa_guard.core.errors import QuotaExceeded, UserGone
from mfa_guard.core.sanitize import sanitize
from mfa_guard.core.user import UserState
from mfa_guard.ports import Iam


def enforce(name: str, route: AttachmentRoute, iam: Iam) -> WriteResult:
    """Enforce the user by `route`, or by the other route if IAM's quota for the first is used up.

    The result holds a problem if both quotas are used up. Raises UserGone if the user, the policy or the group does not
    exist.
    """
    attaching = {AttachmentRoute.DIRECT: iam.attach, AttachmentRoute.GROUP: iam.add_to_group}
    try:
        attaching[route](name)
    except QuotaExceeded as first:
        try:
            attaching[route.other](name)
        except QuotaExceeded as second:
            return WriteResult(
                problem=(
                    "the policy could not be attached, and the user could not be added to the group. "
                    f"IAM said: {quota_text(first)}; {quota_text(second)}."
                )
            )
        return WriteResult(route=route.other, fell_back=True)
    return WriteResult(route=route)


def release(state: UserState, iam: Iam) -> WriteResult:
    """Release the user from every route of enforcement. Raises UserGone if the user does not exist."""
    detaching = {AttachmentRoute.DIRECT: iam.detach, AttachmentRoute.GROUP: iam.remove_from_group}
    for route in state.routes():
        try:
            detaching[route](state.name)
        except UserGone:
            # The route is already detached, which is fine. If the user is gone, this call raises.
            iam.user(state.name)
    return WriteResult(released=state.routes())


def quota_text(refusal: QuotaExceeded) -> str:
    """Return IAM's message about a quota, without the error code and the final period."""
    return sanitize(str(refusal).partition(": ")[2]).rstrip(".")
