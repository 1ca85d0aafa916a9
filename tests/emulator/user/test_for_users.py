"""The page for users: a user who was just blocked runs every command in it, in its order."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pexpect
import pytest

from support.workstation import EVERYTHING, EnforcedAccount, Workstation, new_workstation

PAGE: Final = (Path(__file__).parents[3] / "docs" / "for-users.md").read_text()
ALONE: Final = "## Without mfa-guard"
NOT_RUN: Final[Mapping[str, str]] = {
    "pipx install git+REPOSITORY": "it installs from a repository, and a test has no network",
    "aws login": "it opens a browser at AWS",
}
# This one is asked what is wrong.
FINDS_SOMETHING: Final = "mfa-guard doctor"
_BLOCK: Final = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str) -> Iterator[tuple[str, str]]:
    """Yield every block's language and command or text; a block of shell line by line."""
    for language, text in _BLOCK.findall(page):
        lines = text.replace("\\\n", " ").strip().split("\n") if language == "sh" else [text]
        yield from ((language, line) for line in lines)


class Typist:
    """A user who follows the page, with an app that shows codes."""

    def __init__(self, workstation: Workstation) -> None:
        self._workstation = workstation

    def follow(self, command: str) -> None:
        """Run a command, and answer what it asks."""
        filled = self._filled(command)
        child = self._workstation.spawn(filled)
        answers = {
            r"shows now: ": self._first,
            r"30 seconds: +": self._second,
            r"MFA code of \S+: ": self._workstation.code,
        }
        expected = [*answers, pexpect.EOF]
        while (asked := child.expect(expected)) < len(answers):
            child.sendline(list(answers.values())[asked]())
            self._look_at_secret(child)
        child.close()
        assert child.exitstatus == (command == FINDS_SOMETHING), f"{filled}: {child.before}"

    def _first(self) -> str:
        return self._workstation.codes()[0] if self._workstation.seed else "s"

    def _second(self) -> str:
        return self._workstation.codes()[1]

    def _look_at_secret(self, child: "pexpect.spawn[str]") -> None:
        if not self._workstation.seed:
            child.expect("Secret: ([A-Z2-7]+)")
            self._workstation.seed = str(child.match[1])

    def _filled(self, command: str) -> str:
        """Put the user's own in the place of words in capitals, and a shell that goes on behind eval."""
        iam, account = self._workstation.account.iam, self._workstation.account.stack.account
        # The AWS CLI shows the secret in a picture only.
        device = iam.virtual_mfa_devices.get(f"arn:aws:iam::{account}:mfa/{self._workstation.name}")
        self._workstation.seed = device.base32_string_seed if device else ""
        if "CODE" in command:
            first, second, code = *self._workstation.codes(), self._workstation.code()
            command = command.replace("CODE1", first).replace("CODE2", second).replace("CODE ", code)
            command = re.sub(r"CODE$", code, command)
        if command.startswith("eval"):
            command += " && aws iam list-users"
        return command.replace("ACCOUNT", account).replace("NAME", self._workstation.name).replace("ROLE", "Reader")


@pytest.fixture
def reader(enforced_account: EnforcedAccount, tmp_path: Path) -> Workstation:
    """Return a user who was just blocked, in an account with a role."""
    name = f"reader{len(enforced_account.account.iam.users)}"
    if "Reader" not in [role.name for role in enforced_account.account.iam.roles.values()]:
        enforced_account.account.iam.create_role("Reader", "{}", "/", "", "", [], "3600")
    return new_workstation(enforced_account, tmp_path, name, grants=[EVERYTHING])


def tell_codes_by(workstation: Workstation, command: str) -> None:
    """Let there be the program that a command asks for codes."""
    if found := re.search(r"--token-command '(\w+) ", command):
        program = workstation.home / "bin" / found[1]
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\necho {workstation.code()}\n")
        program.chmod(0o755)


def follow(workstation: Workstation, page: str) -> list[str]:
    """Do what a page says; return what was run."""
    typist, run = Typist(workstation), []
    for language, text in blocks(page):
        if language == "ini":
            workstation.configure(text)
        elif language == "sh" and text not in NOT_RUN:
            tell_codes_by(workstation, text)
            typist.follow(text)
            run.append(text)
    return run


def test_every_command_works_for_a_user_who_was_just_blocked(reader: Workstation) -> None:
    assert "explicit deny" in reader.run("aws", "iam", "list-users").stderr
    assert len(follow(reader, PAGE.partition(ALONE)[0])) >= 10


def test_the_way_without_mfa_guard_works_too(reader: Workstation) -> None:
    assert len(follow(reader, PAGE.partition(ALONE)[2])) == 3
    assert (reader.home / "qr.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("command", NOT_RUN)
def test_what_is_not_run_is_on_the_page(command: str) -> None:
    assert ("sh", command) in list(blocks(PAGE))


def test_the_message_on_the_page_is_the_one_that_is_shown(reader: Workstation) -> None:
    (shown,) = (text for language, text in blocks(PAGE) if language == "text")
    said = reader.run("aws", "iam", "list-users").stderr.replace(f"user/{reader.name}", "user/you")
    # The evaluator asks for this call's resource as *, and AWS for the path of the users.
    said = said.replace("resource: *", "resource: arn:aws:iam::111122223333:user/")
    assert said.split() == shown.split()


@pytest.mark.parametrize(
    "said",
    ["did not accept the code", "Enrolling with an access key is not allowed here", "remains, assigned to no user"],
)
def test_sentences_on_the_page_are_the_programs(said: str) -> None:
    user = Path(__file__).parents[3] / "cli" / "mfa_guard_cli" / "user"
    assert said in PAGE
    assert any(said in file.read_text() for file in user.glob("*.py"))
