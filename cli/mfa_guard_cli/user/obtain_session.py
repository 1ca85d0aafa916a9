"""Get MFA-authenticated credentials: from the cache, or from AWS with a code."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Protocol

from mfa_guard_cli.common.errors import WrongUse
from mfa_guard_cli.user.account import CodeRefused, NotAllowed
from mfa_guard_cli.user.cache import Cache, Question
from mfa_guard_cli.user.codes import CodeSource
from mfa_guard_cli.user.credentials import (
    LONGEST_OF_ROLE,
    USUAL,
    Credentials,
    Role,
    role_session_name,
    session_duration,
)
from mfa_guard_cli.user.devices import Device, choose, is_serial
from mfa_guard_cli.user.identity import Identity, Principal
from mfa_guard_cli.user.terminal import Terminal

_TRIES: Final = 3


class Aws(Protocol):
    """What is asked of AWS; `user.account.Account` does it."""

    @property
    def endpoint(self) -> str: ...
    def whoami(self) -> Identity: ...
    def devices(self, caller: Identity) -> Sequence[Device]: ...
    def session(self, device: Device, code: str, seconds: int) -> Credentials: ...
    def role(self, session: Credentials, arn: str, name: str, seconds: int) -> Credentials: ...


@dataclass(frozen=True)
class Wish:
    """What was asked for: `duration` in seconds; `renew` to leave what the cache has unread."""

    device: str | None = None
    duration: int | None = None
    role: Role | None = None
    renew: bool = False


@dataclass(frozen=True)
class Surroundings:
    """Everything else that it takes: `terminal` gives None where nobody can be asked."""

    codes: CodeSource
    terminal: Callable[[], Terminal | None]
    tell: Callable[[str], None]
    now: Callable[[], datetime]
    cache: Cache | None = None


def obtain(aws: Aws, access_key_id: str, wish: Wish, around: Surroundings) -> Credentials:
    """Return credentials of a session, or of the role assumed with it.

    A role's hour ends long before the session does, and is renewed with the session in the cache, without a code.
    Raises ProgramError, Hangup, and botocore's errors.
    """
    session = Question(access_key_id, wish.device, aws.endpoint, wish.duration)
    role = wish.role and replace(session, role_arn=wish.role.arn, role_session_name=wish.role.session_name)
    wanted = role or session
    if (found := _cached(wanted, wish, around)) is not None:
        return found
    with around.cache.locked(session, around.tell) if around.cache else nullcontext():
        # Whoever held the lock may have brought it meanwhile.
        if (found := _cached(wanted, wish, around)) is not None:
            return found
        base = _cached(session, wish, around)
        if base is None:
            base = _kept(session, _made(aws, wish, around), around)
        if wish.role is None:
            return base
        name = wish.role.session_name or role_session_name(wish.role, aws.whoami())
        seconds = min(wish.duration or USUAL, LONGEST_OF_ROLE)
        return _kept(wanted, aws.role(base, wish.role.arn, name, seconds), around)


def _made(aws: Aws, wish: Wish, around: Surroundings) -> Credentials:
    caller = aws.whoami()
    if caller.principal not in (Principal.USER, Principal.ROOT):
        raise WrongUse(f"{caller.arn} is no IAM user: a {caller.principal} has no MFA devices to take a code from.")
    seconds = session_duration(wish.duration, caller)
    device = _device(aws, caller, wish, around)
    for _ in range(_TRIES - 1 if around.codes.again else 0):
        try:
            return aws.session(device, around.codes.take(device.serial), seconds)
        except CodeRefused as error:
            around.tell(str(error))
    return aws.session(device, around.codes.take(device.serial), seconds)


def _device(aws: Aws, caller: Identity, wish: Wish, around: Surroundings) -> Device:
    if wish.device and is_serial(wish.device):
        return Device(wish.device)
    try:
        devices = aws.devices(caller)
    except NotAllowed as error:
        raise WrongUse(
            "You are not allowed to list your MFA devices; name yours with --device, by its whole serial number such as"
            f" arn:{caller.partition}:iam::{caller.account}:mfa/{caller.name}."
        ) from error
    several = sum(device.makes_codes for device in devices) > 1
    return choose(devices, wish.device, around.terminal() if several and not wish.device else None)


def _cached(question: Question, wish: Wish, around: Surroundings) -> Credentials | None:
    if around.cache is None or wish.renew:
        return None
    return around.cache.read(question, around.now())


def _kept(question: Question, credentials: Credentials, around: Surroundings) -> Credentials:
    if around.cache is not None:
        around.cache.write(question, credentials, around.now())
    return credentials
