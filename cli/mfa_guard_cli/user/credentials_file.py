"""Write a profile to the shared credentials file. Every other line stays as it is.

https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html
"""

import configparser
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from configupdater import ConfigUpdater, Section
from filelock import FileLock, Timeout

from mfa_guard_cli.common.errors import WrongUse
from mfa_guard_cli.user.credentials import Credentials
from mfa_guard_cli.user.private_files import FILE_MODE, FOLDER_MODE, replace_private

_KEY: Final = "aws_access_key_id"
_TOKEN: Final = "aws_session_token"  # noqa: S105 - a key's name
# An old name of aws_session_token, which botocore prefers.
_OLD_TOKEN: Final = "aws_security_token"  # noqa: S105 - a key's name
_BOM: Final = "\ufeff"
# Seconds to wait for another program that writes.
_PATIENCE: Final = 10


def credentials_path(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the path of the shared credentials file, as the SDKs find it. Raises WrongUse without a home folder."""
    named = environment.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials"
    try:
        return Path(os.path.expandvars(named)).expanduser()
    except RuntimeError as error:
        raise WrongUse(f"There is no home folder for {named}; set HOME or AWS_SHARED_CREDENTIALS_FILE.") from error


def checked_name(name: str) -> str:
    """Return the name of a profile. Raises WrongUse if the file or a command line cannot hold it."""
    if name.isprintable() and name and not set(name) & set(" []#;\"'\\"):
        return name
    raise WrongUse("--write-profile must be a profile name without spaces, quotes, brackets, # and ;.")


@dataclass(frozen=True)
class _Text:
    """The text of a file, and how it is encoded."""

    text: str
    prefix: str = ""
    newline: str = "\n"

    @classmethod
    def of(cls, content: bytes) -> "_Text":
        text = content.decode()
        prefix = _BOM if text.startswith(_BOM) else ""
        text = text.removeprefix(_BOM)
        if "\n" in text and text.count("\r\n") == text.count("\n"):
            return cls(text.replace("\r\n", "\n"), prefix, "\r\n")
        return cls(text, prefix)

    def content(self, text: str) -> bytes:
        return (self.prefix + text.replace("\n", self.newline)).encode()


class CredentialsFile:
    """The shared credentials file. A change that is not possible raises WrongUse and leaves the file as it is."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def check(self, name: str) -> None:
        """Raise WrongUse if profile `name` cannot be written. Call this before a code is used."""
        folder = next(folder for folder in self._target().parents if folder.exists())
        if not os.access(folder, os.W_OK | os.X_OK):
            raise self._not_written(f"the folder {folder} is read-only")
        self._edited(name, {_KEY: "A", _TOKEN: "T"})

    def write(self, name: str, credentials: Credentials) -> None:
        """Write a session as profile `name`. Processes that write at the same time wait for each other."""
        target = self._target()
        try:
            target.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            with FileLock(target.with_name(f".{target.name}.lock"), mode=FILE_MODE, timeout=_PATIENCE):
                self._write(target, name, credentials)
        except Timeout as error:
            raise self._not_written("another program has locked it; try again") from error
        except OSError as error:
            raise self._not_written(error.strerror or str(error)) from error

    def _write(self, target: Path, name: str, credentials: Credentials) -> None:
        content = self._edited(
            name,
            {
                _KEY: credentials.access_key_id,
                "aws_secret_access_key": credentials.secret_access_key,
                _TOKEN: credentials.session_token,
            },
        )
        replace_private(target, content)

    def _edited(self, name: str, values: Mapping[str, str]) -> bytes:
        found = self._read()
        old = self._parsed(found.text)
        if name in old and _KEY in old[name] and not {_TOKEN, _OLD_TOKEN} & set(old[name]):
            raise WrongUse(
                f"Profile {name} in {self._path} holds a long-term access key, whose secret would be lost; choose"
                " another profile."
            )
        try:
            new = _with_profile(found.text, name, values)
        except configparser.Error as error:
            raise self._broken(error) from error
        parsed = self._parsed(new)
        others = {section: values for section, values in parsed.items() if section != name}
        if others != {section: values for section, values in old.items() if section != name}:
            raise self._not_written("the change would also change other profiles; choose another profile")
        return found.content(new)

    def _read(self) -> _Text:
        target = self._target()
        try:
            mode = target.stat().st_mode
        except FileNotFoundError:
            return _Text("")
        except OSError as error:
            raise self._not_written(error.strerror or str(error)) from error
        if not stat.S_ISREG(mode):
            raise self._not_written("it is not a regular file")
        # The root user can write every file, so the file's own mode counts too.
        if not mode & stat.S_IWUSR or not os.access(target, os.W_OK):
            raise self._not_written("it is read-only")
        try:
            return _Text.of(target.read_bytes())
        except UnicodeDecodeError as error:
            raise self._not_written("it is not UTF-8") from error
        except OSError as error:
            raise self._not_written(error.strerror or str(error)) from error

    def _target(self) -> Path:
        # A link stays a link: its target is replaced.
        return Path(os.path.realpath(self._path))

    def _parsed(self, text: str) -> Mapping[str, Mapping[str, str]]:
        parser = configparser.RawConfigParser(default_section="\0", strict=True)
        try:
            parser.read_string(text)
        except configparser.Error as error:
            raise self._broken(error) from error
        return {section: dict(parser.items(section)) for section in parser.sections()}

    def _broken(self, error: configparser.Error) -> WrongUse:
        # The parser's message quotes the line, and the line can hold a secret.
        number = getattr(error, "lineno", None)
        lines = [number] if number else [line for line, _ in getattr(error, "errors", [])]
        where = f" (line {lines[0]})" if lines else ""
        return WrongUse(
            f"{self._path} is not a valid credentials file{where}, and was left as it is; correct it first."
        )

    def _not_written(self, why: str) -> WrongUse:
        return WrongUse(f"{self._path} cannot be written and was left as it is: {why}.")


def _with_profile(text: str, name: str, values: Mapping[str, str]) -> str:
    updater = ConfigUpdater()
    updater.read_string(text)
    if name in updater:
        _update(updater[name], values)
        return str(updater)
    gap = "" if not text else "\n" if text.endswith("\n") else "\n\n"
    return f"{text}{gap}[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in values.items())


def _update(section: Section, values: Mapping[str, str]) -> None:
    if _OLD_TOKEN in section:
        del section[_OLD_TOKEN]
    for key, value in values.items():
        options = section.option_blocks()
        if key in section:
            section[key] = value
        elif options:
            # Not at the end, because comments there belong to the next profile.
            options[-1].add_after.option(key, value)
        else:
            section.insert_at(0).option(key, value)
