"""Put the enforcement policy on one user, or take it off: the writes that events and sweeps share."""

from mfa_guard.core.notices import Done
from mfa_guard.core.text import safe
from mfa_guard.core.user import UserState, Way
from mfa_guard.ports import Iam, QuotaExceeded, UserGone


def put_on(name: str, way: Way, iam: Iam) -> Done:
    """Bind the user, in the other way when the quota of this one is used up; a problem when both are.

    Raises UserGone when IAM knows the user, the policy or the group no more.
    """
    binding = {Way.USER: iam.attach, Way.GROUP: iam.join}
    try:
        binding[way](name)
    except QuotaExceeded as first:
        try:
            binding[way.other](name)
        except QuotaExceeded as second:
            return Done(
                problem=f"neither the policy nor the group could be given. IAM said: {flat(first)}; {flat(second)}."
            )
        return Done(way=way.other, fell_back=True)
    return Done(way=way)


def take_off(state: UserState, iam: Iam) -> Done:
    """Release the user in every way that binds him. Raises UserGone when there is no such user any more."""
    releasing = {Way.USER: iam.detach, Way.GROUP: iam.leave}
    for way in state.ways():
        try:
            releasing[way](state.name)
        except UserGone:
            # Somebody was faster, which is as good; if the user himself has gone, this call says so.
            iam.user(state.name)
    return Done(released=state.ways())


def flat(refusal: QuotaExceeded) -> str:
    """Return IAM's words on a quota, as the middle of a sentence."""
    return safe(str(refusal)).rstrip(".")
