"""The commands in a notice, split by a real shell, make the calls that they name."""

import pytest
from botocore.exceptions import ClientError

from mfa_guard_emulator.demo.notice_commands import CommandFailed, paragraph, run, split
from support.account import Account

CALLER = "arn:aws:iam::111122223333:user/carol"
MAIL = """A user did something.

TO UNDO (all of it)
aws iam untag-user --user-name alice --tag-keys '["a"]' && \\
aws iam delete-user --user-name alice

Bye
"""


def test_a_paragraph_is_the_text_below_its_title() -> None:
    assert paragraph(MAIL, "TO UNDO") == (
        "aws iam untag-user --user-name alice --tag-keys '[\"a\"]' && \\\naws iam delete-user --user-name alice"
    )


def test_a_title_that_the_mail_lacks_is_an_error() -> None:
    with pytest.raises(CommandFailed, match="The mail has no section TO EXEMPT"):
        paragraph(MAIL, "TO EXEMPT")


def test_a_shell_splits_the_words() -> None:
    words = [command.words for command in split(paragraph(MAIL, "TO UNDO"), CALLER)]
    assert words == [
        ("iam", "untag-user", "--user-name", "alice", "--tag-keys", '["a"]'),
        ("iam", "delete-user", "--user-name", "alice"),
    ]


@pytest.mark.parametrize(
    ("quoted", "word"),
    [
        ("'it is'", "it is"),
        ('"$(aws sts get-caller-identity --query Arn --output text)"', CALLER),
        ("'$(aws sts get-caller-identity)'", "$(aws sts get-caller-identity)"),
        ("''", ""),
    ],
)
def test_quotes_have_the_meaning_of_the_shell(quoted: str, word: str) -> None:
    [command] = split(f"aws iam get-user --user-name {quoted}", CALLER)
    assert command.words[-1] == word


@pytest.mark.parametrize("text", ["aws iam get-user --user-name 'alice", "rm -rf nowhere", "/bin/false"])
def test_a_command_of_another_program_is_refused(text: str) -> None:
    with pytest.raises(CommandFailed, match="The shell does not accept"):
        split(text, CALLER)


def test_the_calls_are_made_in_order(account: Account) -> None:
    iam = account.clients.iam
    iam.create_user(UserName="alice", Tags=[{"Key": "a", "Value": "1"}])
    commands = run(paragraph(MAIL, "TO UNDO"), account.clients, limit=1)
    assert len(commands) == 1
    assert "Tags" not in iam.get_user(UserName="alice")["User"]
    run("aws iam delete-user --user-name=alice", account.clients)
    with pytest.raises(ClientError, match="NoSuchEntity"):
        iam.get_user(UserName="alice")


def test_the_first_failure_ends_it(account: Account) -> None:
    account.clients.iam.create_user(UserName="alice")
    with pytest.raises(ClientError, match="NoSuchEntity"):
        run("aws iam delete-user --user-name bob && aws iam delete-user --user-name alice", account.clients)
    account.clients.iam.get_user(UserName="alice")


def test_an_unknown_option_is_an_error(account: Account) -> None:
    with pytest.raises(CommandFailed, match="aws iam delete-user has no option --name"):
        run("aws iam delete-user --name alice", account.clients)
