"""Load a field of one user's state from IAM."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from mfa_guard.core.user import Field, UserState
from mfa_guard.ports import Iam

FROM_IAM: Final[Mapping[Field, Callable[[UserState, Iam], UserState]]] = {
    Field.DEVICES: lambda state, iam: replace(state, devices=iam.devices(state.name)),
    Field.ATTACHED: lambda state, iam: replace(state, attached=iam.attached(state.name)),
    Field.IN_GROUP: lambda state, iam: replace(state, in_group=iam.in_group(state.name)),
    Field.PASSWORD: lambda state, iam: replace(state, password=iam.password(state.name)),
    Field.KEYS: lambda state, iam: replace(state, keys=iam.keys(state.name)),
    Field.SERVICE_CREDENTIALS: lambda state, iam: replace(
        state, service_credentials=iam.service_credentials(state.name)
    ),
}


def load(state: UserState, field: Field, iam: Iam) -> UserState:
    """Return `state` with `field`, one of those in FROM_IAM, as IAM shows it. Raises what `iam` raises."""
    return FROM_IAM[field](state, iam)
