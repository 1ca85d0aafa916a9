"""Obtain credentials with MFA: from the cache, or from AWS with a code."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Protocol

from mfa_guard_cli.common.errors import WrongUse
from mfa_guard_cli.user.account import CodeRefused, NotAllowed
from mfa_guard_cli.user.cache import Cache, CacheKey
from mfa_guard_cli.user.codes import CodeSource
from mfa_guard_cli.user.credentials import (
    DEFAULT,
    MAXIMUM_OF_ROLE,
    Credentials,
    Role,
    role_session_name,
    session_duration,
)
from mfa_guard_cli.user.devices import Device, choose, is_serial
from mfa_guard_cli.user.identity import Identity, Principal
from mfa_guard_cli.user.terminal import Terminal

_ATTEMPTS: Final = 3


class Aws(Protocol):
    """The AWS requests that this module needs. `user.account.Account` makes them."""

    @property
    def endpoint(self) -> str: ...
    def whoami(self) -> Identity: ...
    def devices(self, caller: Identity) -> Sequence[Device]: ...
    def session(self, device: Device, code: str, seconds: int) -> Credentials: ...
    def role(self, session: Credentials, arn: str, name: str, seconds: int) -> Credentials: ...


@dataclass(frozen=True)
class SessionRequest:
    """What the user asks for. `duration` is in seconds. `renew`: ignore the sessions in the cache."""

    device: str | None = None
    duration: int | None = None
    role: Role | None = None
    renew: bool = False


@dataclass(frozen=True)
class SessionDependencies:
    """What else is needed. `terminal` returns None if there is no terminal; `show` prints a line for the user."""

    codes: CodeSource
    terminal: Callable[[], Terminal | None]
    show: Callable[[str], None]
    now: Callable[[], datetime]
    cache: Cache | None = None


def obtain(aws: Aws, access_key_id: str, request: SessionRequest, dependencies: SessionDependencies) -> Credentials:
    """Return the credentials of a session, or of the role that is assumed with it.

    The role's credentials last for an hour at most. With a cache, they are renewed with the session and without a code.
    Raises ProgramError, EndOfInput, and botocore's errors.
    """
    session_key = CacheKey(access_key_id, request.device, aws.endpoint, request.duration)
    role_key = request.role and replace(
        session_key, role_arn=request.role.arn, role_session_name=request.role.session_name
    )
    wanted = role_key or session_key
    if (found := _read(wanted, request, dependencies)) is not None:
        return found
    cache = dependencies.cache
    with cache.locked(session_key, dependencies.show) if cache else nullcontext():
        # The process that held the lock before can have stored it meanwhile.
        if (found := _read(wanted, request, dependencies)) is not None:
            return found
        session = _read(session_key, request, dependencies)
        if session is None:
            session = _store(session_key, _new_session(aws, request, dependencies), dependencies)
        if request.role is None:
            return session
        name = request.role.session_name or role_session_name(request.role, aws.whoami())
        seconds = min(request.duration or DEFAULT, MAXIMUM_OF_ROLE)
        return _store(wanted, aws.role(session, request.role.arn, name, seconds), dependencies)


def _new_session(aws: Aws, request: SessionRequest, dependencies: SessionDependencies) -> Credentials:
    caller = aws.whoami()
    if caller.principal not in (Principal.USER, Principal.ROOT):
        raise WrongUse(
            f"{caller.arn} is not an IAM user, and only users have MFA devices; name the profile of your access key"
            " with --profile."
        )
    seconds = session_duration(request.duration, caller)
    device = _device(aws, caller, request, dependencies)
    codes = dependencies.codes
    for _ in range(_ATTEMPTS - 1 if codes.can_retry else 0):
        try:
            return aws.session(device, codes.read(device.serial), seconds)
        except CodeRefused as error:
            dependencies.show(str(error))
    return aws.session(device, codes.read(device.serial), seconds)


def _device(aws: Aws, caller: Identity, request: SessionRequest, dependencies: SessionDependencies) -> Device:
    if request.device and is_serial(request.device):
        return Device(request.device)
    try:
        devices = aws.devices(caller)
    except NotAllowed as error:
        raise WrongUse(
            "You are not allowed to list your MFA devices; name your device with --device, by its whole serial number"
            f" such as arn:{caller.partition}:iam::{caller.account}:mfa/{caller.name}."
        ) from error
    several = sum(device.makes_codes for device in devices) > 1
    return choose(devices, request.device, dependencies.terminal() if several and not request.device else None)


def _read(key: CacheKey, request: SessionRequest, dependencies: SessionDependencies) -> Credentials | None:
    if dependencies.cache is None or request.renew:
        return None
    return dependencies.cache.read(key, dependencies.now())


def _store(key: CacheKey, credentials: Credentials, dependencies: SessionDependencies) -> Credentials:
    if dependencies.cache is not None:
        dependencies.cache.write(key, credentials, dependencies.now())
    return credentials
