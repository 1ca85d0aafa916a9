"""Enroll a virtual MFA device, with only the requests that the enforcement policy allows without MFA.

These are ListMFADevices, ListVirtualMFADevices, CreateVirtualMFADevice and EnableMFADevice. Without MFA, a device that
was created but not enabled cannot be deleted, so the user learns its name instead.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Final, Protocol

from mfa_guard.core.cloudtrail import NAME_CHARACTER
from mfa_guard_cli.common.aws_session import open_session
from mfa_guard_cli.common.errors import AwsError, WrongUse
from mfa_guard_cli.common.output import printable
from mfa_guard_cli.user.account import Account, CodeRefused, NameTaken, NewDevice, NotAllowed, VirtualDevice
from mfa_guard_cli.user.codes import as_code
from mfa_guard_cli.user.devices import Device, is_serial
from mfa_guard_cli.user.identity import Identity, Principal
from mfa_guard_cli.user.private_files import create_private
from mfa_guard_cli.user.qr import SUFFIXES, otpauth_uri, qr_image, terminal_qr
from mfa_guard_cli.user.terminal import LazyTerminal, Terminal

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html: MFA devices per user.
MAXIMUM_DEVICES: Final = 8
_NAME: Final = re.compile(NAME_CHARACTER + "{1,226}")
_NAMED: Final = 5
_SHOW_SECRET: Final = "s"  # noqa: S105 - what the user types to see it


class Aws(Protocol):
    """The AWS requests that this module needs. `user.account.Account` makes them."""

    def whoami(self) -> Identity: ...
    def devices(self, caller: Identity) -> Sequence[Device]: ...
    def virtual_devices(self) -> Sequence[VirtualDevice]: ...
    def create_device(self, name: str) -> NewDevice: ...
    def enable_device(self, user: str, device: Device, codes: tuple[str, str]) -> None: ...
    def delete_device(self, device: Device) -> bool: ...


@dataclass(frozen=True)
class EnrollmentOptions:
    """What the user asks for.

    `resume`: a device that an earlier attempt created, and whose secret the app already has. `another`: enroll without
    a question if the user already has a device.
    """

    name: str | None = None
    resume: str | None = None
    show_qr: bool = True
    show_secret: bool = False
    save_qr: Path | None = None
    save_secret: Path | None = None
    another: bool = False

    def check(self) -> None:
        """Raise WrongUse for options that cannot work, before a device is created."""
        if self.name is not None and not _NAME.fullmatch(self.name):
            raise WrongUse("--name must have letters, digits and characters of _+=,.@- only.")
        if self.resume is not None and (self.name or self.save_qr or self.save_secret or self.show_secret):
            raise WrongUse(
                "--resume cannot be combined with --name, --show-secret, --save-qr or --save-secret, since AWS shows"
                " the secret of a device only once."
            )
        if self.save_qr is not None and self.save_qr.suffix.lower() not in SUFFIXES:
            raise WrongUse(f"--save-qr must name a file that ends in {' or '.join(SUFFIXES)}.")
        for path in (self.save_qr, self.save_secret):
            if path is None:
                continue
            if path.exists() or path.is_symlink():
                raise WrongUse(f"{path} exists; name another file, or remove it.")
            if not path.absolute().parent.is_dir():
                raise WrongUse(f"{path.absolute().parent} is not a folder; create it, or name another one.")


@dataclass(frozen=True)
class _Secret:
    """The secret of a new device."""

    seed: str = field(repr=False)
    uri: str = field(repr=False)


def enroll_caller(options: EnrollmentOptions, profile: str | None, region: str | None) -> None:
    """Enroll a device for the caller on the terminal, and show what comes next. Raises as `enroll` does."""
    options.check()
    terminal = LazyTerminal(hint="Run mfa-guard enroll in a terminal.").open()
    device = enroll(Account(open_session(profile, region)), options, terminal)
    terminal.show(f"\nEnrolled: {device.serial}")
    terminal.show("Console: sign out, then sign in with a code.")
    terminal.show("Command line: wait for a new code, because these two are used. Then: mfa-guard session -- COMMAND")


def enroll(aws: Aws, options: EnrollmentOptions, terminal: Terminal) -> Device:
    """Return the device that was enabled for the caller.

    Raises WrongUse and AwsError, and after telling the user what remains, KeyboardInterrupt and EndOfInput.
    """
    caller = aws.whoami()
    _check_principal(caller)
    _check_own_devices(_own_devices(aws, caller), caller, options, terminal)
    known = _virtual_devices(aws)
    if options.resume is not None:
        is_whole = is_serial(options.resume)
        serial = options.resume if is_whole else f"arn:{caller.partition}:iam::{caller.account}:mfa/{options.resume}"
        device = Device(serial)
        terminal.show(f"Continuing with {printable(device.serial)}.")
        _enable(aws, caller, device, None, terminal)
        return device
    _show_unassigned(known, caller, terminal)
    new = _create(aws, caller, options, {each.device.name for each in known})
    try:
        secret = _Secret(new.seed, otpauth_uri(new.seed, new.device.name, caller))
        _show(secret, new.device, options, terminal)
        _enable(aws, caller, new.device, secret, terminal)
    except BaseException:
        _clean_up(aws, new.device, terminal)
        raise
    return new.device


def _check_principal(caller: Identity) -> None:
    if caller.principal is Principal.ROOT:
        raise WrongUse(
            f"These are the root user's credentials; enroll a device for the root user in the console:"
            f" {caller.security_page}"
        )
    if caller.principal is not Principal.USER:
        raise WrongUse(
            f"{printable(caller.arn)} is not an IAM user, and only users have MFA devices; name the profile of your"
            " access key with --profile."
        )


def _own_devices(aws: Aws, caller: Identity) -> Sequence[Device]:
    try:
        return aws.devices(caller)
    except NotAllowed:
        # The user has neither the enforcement policy nor permissions. CreateVirtualMFADevice will show what is allowed.
        return []


def _virtual_devices(aws: Aws) -> Sequence[VirtualDevice]:
    try:
        return aws.virtual_devices()
    except NotAllowed:
        # CreateVirtualMFADevice will show whether a name is taken.
        return []


def _check_own_devices(own: Sequence[Device], caller: Identity, options: EnrollmentOptions, terminal: Terminal) -> None:
    if len(own) >= MAXIMUM_DEVICES:
        raise WrongUse(
            f"You have {len(own)} MFA devices, and a user can have {MAXIMUM_DEVICES} at most; sign in with MFA and"
            f" remove one in the console: {caller.security_page}"
        )
    if not own:
        return
    terminal.show("You already have an MFA device:")
    for device in own:
        terminal.show(f"  {printable(device.serial)} ({device.kind})")
    if any(device.makes_codes for device in own):
        terminal.show("It is enough for the command line: mfa-guard session -- COMMAND")
    if not options.another and terminal.ask("Enroll another one [y/N]? ").lower() not in ("y", "yes"):
        raise WrongUse("Canceled; nothing was created.")


def _show_unassigned(known: Sequence[VirtualDevice], caller: Identity, terminal: Terminal) -> None:
    names = sorted(e.device.name for e in known if not e.assigned and e.device.name.startswith(caller.name))
    if not names:
        return
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    terminal.show(f"Devices with your name that no user has: {printable(', '.join(names[:_NAMED]))}{more}.")
    terminal.show("They can be left from an earlier attempt. They stay as they are; an administrator can delete them.")
    terminal.show("If your app has the secret of one, continue with it: mfa-guard enroll --resume NAME")


def _create(aws: Aws, caller: Identity, options: EnrollmentOptions, taken: set[str]) -> NewDevice:
    # The user name comes first: the enforcement policy lets a user delete, with MFA, only the device of that name.
    numbered = (f"{caller.name}-{n}" if n > 1 else caller.name for n in count(1))
    for name in iter([options.name]) if options.name else numbered:
        if name in taken and options.name is None:
            continue
        try:
            return aws.create_device(name)
        except NameTaken:
            continue
        except NotAllowed as error:
            raise _not_allowed(error, caller) from error
    raise WrongUse(f"There is already a device named {options.name}; choose another --name.")


def _not_allowed(error: NotAllowed, caller: Identity) -> AwsError:
    console = f"enroll in the console instead: sign in at {caller.sign_in_page}, then open {caller.security_page}"
    if error.denial and error.denial.explicit:
        return AwsError(f"Enrolling with an access key is not allowed here, by {error.denial.cause}; {console}")
    return AwsError(f"You have no permission to enroll with your access key; {console}, or ask your administrator.")


def _show(secret: _Secret, device: Device, options: EnrollmentOptions, terminal: Terminal) -> None:
    terminal.show(f"Created {device.serial}.")
    if options.save_qr is not None:
        _save(options.save_qr, qr_image(secret.uri, options.save_qr), terminal)
    if options.save_secret is not None:
        _save(options.save_secret, f"{secret.seed}\n".encode(), terminal)
    qr = terminal_qr(secret.uri, terminal) if options.show_qr else None
    if qr is not None:
        terminal.show(qr)
        terminal.show("Scan this QR code with your authenticator app. To see the secret instead, type s below.")
    elif options.show_qr:
        terminal.show("This terminal cannot show a QR code: it is too narrow or lacks the characters.")
        terminal.show("To see the secret for your authenticator app, type s below.")
    else:
        terminal.show("To see the secret for your authenticator app, type s below.")
    if options.show_secret:
        _show_secret(secret, terminal)


def _save(path: Path, content: bytes, terminal: Terminal) -> None:
    try:
        create_private(path, content)
    except OSError as error:
        raise WrongUse(f"{path} cannot be written: {error.strerror or error}.") from error
    terminal.show(f"Saved {path}. It holds the secret, so delete it when your app has it.")


def _show_secret(secret: _Secret, terminal: Terminal) -> None:
    terminal.show(f"Secret: {secret.seed}")


def _enable(aws: Aws, caller: Identity, device: Device, secret: _Secret | None, terminal: Terminal) -> None:
    while True:
        first = _ask_code("The code that the app shows now: ", secret, terminal)
        second = _ask_code("The next code, within 30 seconds: ", secret, terminal, other_than=first)
        try:
            aws.enable_device(caller.name, device, (first, second))
        except CodeRefused as error:
            terminal.show(f"{error} They must be two codes in a row of this device. Try again with the next two.")
        except NotAllowed as error:
            raise _not_allowed(error, caller) from error
        else:
            return


def _ask_code(question: str, secret: _Secret | None, terminal: Terminal, *, other_than: str | None = None) -> str:
    while True:
        answer = terminal.ask(question)
        code = as_code(answer)
        if answer.lower() == _SHOW_SECRET and secret is not None:
            _show_secret(secret, terminal)
        elif code is None:
            terminal.show("A code has six digits.")
        elif code == other_than:
            terminal.show("That is the same code; wait until the app shows the next one.")
        else:
            return code


def _clean_up(aws: Aws, device: Device, terminal: Terminal) -> None:
    """Delete a device that was not enabled, or tell the user that it remains."""
    terminal.show()
    if aws.delete_device(device):
        terminal.show(f"{device.serial} was deleted again; nothing remains.")
        return
    terminal.show(f"{device.serial} remains, assigned to no user. Only an administrator with MFA can delete it.")
    terminal.show(f"If your app has its secret, continue with: mfa-guard enroll --resume {device.name}")
    terminal.show("Otherwise run mfa-guard enroll again. It takes another name, and the old device does no harm.")
