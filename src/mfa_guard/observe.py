"""Answer the plan's questions about one user from IAM."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from mfa_guard.core.user import Question, UserState
from mfa_guard.ports import Iam


def observe(state: UserState, question: Question, iam: Iam) -> UserState:
    """Return `state` with the answer to `question`, which is one of IAM's. Raises what `iam` raises."""
    return _READS[question](state, iam)


_READS: Final[Mapping[Question, Callable[[UserState, Iam], UserState]]] = {
    Question.DEVICES: lambda state, iam: replace(state, devices=iam.devices(state.name)),
    Question.ATTACHED: lambda state, iam: replace(state, attached=iam.attached(state.name)),
    Question.GROUPED: lambda state, iam: replace(state, grouped=iam.grouped(state.name)),
    Question.PASSWORD: lambda state, iam: replace(state, password=iam.password(state.name)),
    Question.KEYS: lambda state, iam: replace(state, keys=iam.keys(state.name)),
    Question.SERVICE_CREDENTIALS: lambda state, iam: replace(
        state, service_credentials=iam.service_credentials(state.name)
    ),
}
