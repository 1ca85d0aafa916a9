"""Answer the plan's questions about one user from IAM."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from mfa_guard.core.user import Field, UserState
from mfa_guard.ports import Iam


def load(state: UserState, question: Field, iam: Iam) -> UserState:
    """Return `state` with the answer to `question`, which is one of IAM's. Raises what `iam` raises."""
    return _READS[question](state, iam)


_READS: Final[Mapping[Field, Callable[[UserState, Iam], UserState]]] = {
    Field.DEVICES: lambda state, iam: replace(state, devices=iam.devices(state.name)),
    Field.ATTACHED: lambda state, iam: replace(state, attached=iam.attached(state.name)),
    Field.IN_GROUP: lambda state, iam: replace(state, in_group=iam.in_group(state.name)),
    Field.PASSWORD: lambda state, iam: replace(state, password=iam.password(state.name)),
    Field.KEYS: lambda state, iam: replace(state, keys=iam.keys(state.name)),
    Field.SERVICE_CREDENTIALS: lambda state, iam: replace(
        state, service_credentials=iam.service_credentials(state.name)
    ),
}
