"""Load fields of one user's state from IAM."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final, TypeAlias

from mfa_guard.core.user import Field, UserState
from mfa_guard.ports import Iam

# Puts what was read into a state.
Update: TypeAlias = Callable[[UserState], UserState]


def _devices(name: str, iam: Iam) -> Update:
    found = iam.devices(name)
    return lambda state: replace(state, devices=found)


def _attached(name: str, iam: Iam) -> Update:
    found = iam.attached(name)
    return lambda state: replace(state, attached=found)


def _in_group(name: str, iam: Iam) -> Update:
    found = iam.in_group(name)
    return lambda state: replace(state, in_group=found)


def _password(name: str, iam: Iam) -> Update:
    found = iam.password(name)
    return lambda state: replace(state, password=found)


def _keys(name: str, iam: Iam) -> Update:
    found = iam.keys(name)
    return lambda state: replace(state, keys=found)


def _service_credentials(name: str, iam: Iam) -> Update:
    found = iam.service_credentials(name)
    return lambda state: replace(state, service_credentials=found)


FROM_IAM: Final[Mapping[Field, Callable[[str, Iam], Update]]] = {
    Field.DEVICES: _devices,
    Field.ATTACHED: _attached,
    Field.IN_GROUP: _in_group,
    Field.PASSWORD: _password,
    Field.KEYS: _keys,
    Field.SERVICE_CREDENTIALS: _service_credentials,
}


def load(state: UserState, field: Field, iam: Iam) -> UserState:
    """Return `state` with `field`, one of those in FROM_IAM, as IAM shows it. Raises what `iam` raises."""
    return FROM_IAM[field](state.name, iam)(state)


def side_by_side(reads: Sequence[Callable[[], Update]], workers: int) -> list[Update]:
    """Return what each of `reads` returns. With more than one worker, they run at the same time, each on a thread.

    Raises what a read raises, once all have ended.
    """
    if workers == 1:
        return [read() for read in reads]
    with ThreadPoolExecutor(max_workers=workers) as pool:
        running = [pool.submit(read) for read in reads]
    return [each.result() for each in running]
