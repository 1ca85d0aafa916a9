"""Enroll a virtual device, with nothing but what the enforcement policy leaves to a blocked user.

That is ListMFADevices, ListVirtualMFADevices, CreateVirtualMFADevice and EnableMFADevice (docs/architecture.md); a
device that was made and not enabled cannot be removed without MFA, so it is named instead.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Final, Protocol

from mfa_guard_cli.common.errors import AwsError, WrongUse
from mfa_guard_cli.common.output import printable
from mfa_guard_cli.user.account import CodeRefused, NameTaken, NewDevice, NotAllowed, VirtualDevice
from mfa_guard_cli.user.codes import as_code
from mfa_guard_cli.user.devices import Device, is_serial
from mfa_guard_cli.user.identity import Identity, Principal
from mfa_guard_cli.user.private_files import create_private
from mfa_guard_cli.user.qr import SUFFIXES, drawn, otpauth, picture
from mfa_guard_cli.user.terminal import Terminal

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html: MFA devices per user.
MOST_DEVICES: Final = 8
_NAME: Final = re.compile(r"[A-Za-z0-9_+=,.@-]{1,226}")
_NAMED: Final = 5
_SHOW_SECRET: Final = "s"  # noqa: S105 - what a person types to see it


class Aws(Protocol):
    """What is asked of AWS; `user.account.Account` does it."""

    def whoami(self) -> Identity: ...
    def devices(self, caller: Identity) -> Sequence[Device]: ...
    def virtual_devices(self) -> Sequence[VirtualDevice]: ...
    def create_device(self, name: str) -> NewDevice: ...
    def enable_device(self, user: str, device: Device, codes: tuple[str, str]) -> None: ...
    def delete_device(self, device: Device) -> bool: ...


@dataclass(frozen=True)
class Wish:
    """What was asked for. `resume` names a device that an earlier try left, whose secret the app has already."""

    name: str | None = None
    resume: str | None = None
    show_qr: bool = True
    show_secret: bool = False
    save_qr: Path | None = None
    save_secret: Path | None = None
    another: bool = False


@dataclass(frozen=True)
class _Secret:
    """What a new device shows once."""

    seed: str = field(repr=False)
    uri: str = field(repr=False)


def checked(wish: Wish) -> Wish:
    """Return a wish that can be fulfilled. Raises WrongUse before anything is made."""
    if wish.name is not None and not _NAME.fullmatch(wish.name):
        raise WrongUse("--name takes letters, digits and characters of _+=,.@- only.")
    if wish.resume is not None and (wish.name or wish.save_qr or wish.save_secret or wish.show_secret):
        raise WrongUse("--resume goes on with a device whose secret AWS does not show again: it goes with no other.")
    if wish.save_qr is not None and wish.save_qr.suffix.lower() not in SUFFIXES:
        raise WrongUse(f"--save-qr takes a file whose name ends in {' or '.join(SUFFIXES)}.")
    for path in (wish.save_qr, wish.save_secret):
        if path is None:
            continue
        if path.exists() or path.is_symlink():
            raise WrongUse(f"{path} exists; name another file, or remove it.")
        if not path.absolute().parent.is_dir():
            raise WrongUse(f"{path.absolute().parent} is no folder.")
    return wish


def enroll(aws: Aws, wish: Wish, terminal: Terminal) -> Device:
    """Return the device that was enabled for the caller.

    Raises WrongUse and AwsSaidNo, which say what to do instead, and KeyboardInterrupt and Hangup after saying what is
    left behind.
    """
    caller = aws.whoami()
    _only_users(caller)
    _room_for_one_more(_own(aws, caller), caller, wish, terminal)
    known = _virtual_devices(aws)
    if wish.resume is not None:
        whole = is_serial(wish.resume)
        device = Device(wish.resume if whole else f"arn:{caller.partition}:iam::{caller.account}:mfa/{wish.resume}")
        terminal.say(f"Going on with {printable(device.serial)}.")
        _enable(aws, caller, device, None, terminal)
        return device
    _name_leftovers(known, caller, terminal)
    made = _made(aws, caller, wish, {each.device.name for each in known})
    try:
        secret = _Secret(made.seed, otpauth(made.seed, made.device.name, caller))
        _show(secret, made.device, wish, terminal)
        _enable(aws, caller, made.device, secret, terminal)
    except BaseException:
        _leave(aws, made.device, terminal)
        raise
    return made.device


def _only_users(caller: Identity) -> None:
    if caller.principal is Principal.ROOT:
        raise WrongUse(
            f"These are the root user's credentials; give root its MFA in the console: {caller.security_page}"
        )
    if caller.principal is not Principal.USER:
        raise WrongUse(
            f"{printable(caller.arn)} is no IAM user, and only users have MFA devices of their own; name the profile"
            " with your access key with --profile."
        )


def _own(aws: Aws, caller: Identity) -> Sequence[Device]:
    try:
        return aws.devices(caller)
    except NotAllowed:
        # Without the enforcement policy and without permissions; whether a device may be made, AWS says soon.
        return []


def _virtual_devices(aws: Aws) -> Sequence[VirtualDevice]:
    try:
        return aws.virtual_devices()
    except NotAllowed:
        # A name that is taken shows when the device is made.
        return []


def _room_for_one_more(own: Sequence[Device], caller: Identity, wish: Wish, terminal: Terminal) -> None:
    if len(own) >= MOST_DEVICES:
        raise WrongUse(
            f"You have {len(own)} MFA devices, and no user can have more than {MOST_DEVICES}; remove one in the console"
            f" after signing in with MFA: {caller.security_page}"
        )
    if not own:
        return
    terminal.say("You have an MFA device already:")
    for device in own:
        terminal.say(f"  {printable(device.serial)} ({device.kind})")
    if any(device.makes_codes for device in own):
        terminal.say("For the command line it is enough: mfa-guard session -- COMMAND")
    if not wish.another and terminal.ask("Enroll another one [y/N]? ").lower() not in ("y", "yes"):
        raise WrongUse("Nothing was made.")


def _name_leftovers(known: Sequence[VirtualDevice], caller: Identity, terminal: Terminal) -> None:
    left = sorted(e.device.name for e in known if not e.assigned and e.device.name.startswith(caller.name))
    if not left:
        return
    more = f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
    terminal.say(f"Devices named like you, and nobody's: {printable(', '.join(left[:_NAMED]))}{more}.")
    terminal.say("An earlier try may have left them; they are not touched, and an administrator can delete them.")
    terminal.say("If your app has the secret of one, go on with it: mfa-guard enroll --resume NAME")


def _made(aws: Aws, caller: Identity, wish: Wish, taken: set[str]) -> NewDevice:
    # The user's own name first: the only one that the enforcement policy lets a user delete with MFA.
    names = iter([wish.name]) if wish.name else (f"{caller.name}-{n}" if n > 1 else caller.name for n in count(1))
    for name in names:
        if name in taken and wish.name is None:
            continue
        try:
            return aws.create_device(name)
        except NameTaken:
            continue
        except NotAllowed as error:
            raise _refused(error, caller) from error
    raise WrongUse(f"There is a device named {wish.name}; choose another --name.")


def _refused(error: NotAllowed, caller: Identity) -> AwsError:
    console = f"enroll in the console instead: sign in at {caller.sign_in_page}, then {caller.security_page}"
    if error.denial and error.denial.explicit:
        return AwsError(f"Enrolling with an access key is not allowed here, by {error.denial.cause}; {console}")
    return AwsError(f"You have no permission to enroll with your access key; {console}, or ask your administrator.")


def _show(secret: _Secret, device: Device, wish: Wish, terminal: Terminal) -> None:
    terminal.say(f"Made {device.serial}.")
    if wish.save_qr is not None:
        _save(wish.save_qr, picture(secret.uri, wish.save_qr), terminal)
    if wish.save_secret is not None:
        _save(wish.save_secret, f"{secret.seed}\n".encode(), terminal)
    shown = drawn(secret.uri, terminal) if wish.show_qr else None
    if shown is not None:
        terminal.say(shown)
        terminal.say("Scan this with your authenticator app, or type s below to see the secret instead.")
    elif wish.show_qr:
        terminal.say("This terminal is too narrow, or has no characters, for a QR code: type s below for the secret.")
    else:
        terminal.say("Type s below to see the secret that your authenticator app needs.")
    if wish.show_secret:
        _show_secret(secret, terminal)


def _save(path: Path, content: bytes, terminal: Terminal) -> None:
    try:
        create_private(path, content)
    except OSError as error:
        raise WrongUse(f"{path} cannot be written: {error.strerror or error}.") from error
    terminal.say(f"Saved {path}, which holds the secret: delete it when your app has it.")


def _show_secret(secret: _Secret, terminal: Terminal) -> None:
    terminal.say(f"Secret: {secret.seed}")


def _enable(aws: Aws, caller: Identity, device: Device, secret: _Secret | None, terminal: Terminal) -> None:
    while True:
        first = _code("The code that the app shows now: ", secret, terminal)
        second = _code("The next one, within 30 seconds:  ", secret, terminal, other_than=first)
        try:
            aws.enable_device(caller.name, device, (first, second))
        except CodeRefused as error:
            terminal.say(f"{error} They must be two in a row, of this device. Try again with the next two.")
        except NotAllowed as error:
            raise _refused(error, caller) from error
        else:
            return


def _code(question: str, secret: _Secret | None, terminal: Terminal, *, other_than: str | None = None) -> str:
    while True:
        answer = terminal.ask(question)
        code = as_code(answer)
        if answer.lower() == _SHOW_SECRET and secret is not None:
            _show_secret(secret, terminal)
        elif code is None:
            terminal.say("A code has six digits.")
        elif code == other_than:
            terminal.say("That is the same code; wait until the app shows the next one.")
        else:
            return code


def _leave(aws: Aws, device: Device, terminal: Terminal) -> None:
    """Remove a device that was not enabled, or say what is left behind."""
    terminal.say()
    if aws.delete_device(device):
        terminal.say(f"{device.serial} was removed again; nothing is left behind.")
        return
    terminal.say(f"{device.serial} is left behind, nobody's; only somebody signed in with MFA can delete it.")
    terminal.say(f"If your app has its secret, go on with: mfa-guard enroll --resume {device.name}")
    terminal.say("Otherwise start again with mfa-guard enroll, which takes another name; what is left does no harm.")
