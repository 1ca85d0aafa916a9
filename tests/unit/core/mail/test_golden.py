"""The full text of every mail, in one file that people review."""

import difflib

import pytest

from mfa_guard.core.mail.digest import KIND as DIGEST
from mfa_guard.core.notice_kinds import NoticeKind
from support.factories import ROOT_OF_THE_PROJECT
from support.mails import EVERY_MAIL, GOLDEN, render

DOCUMENTED = ROOT_OF_THE_PROJECT / "docs" / "digest.md"


def test_every_mail_reads_as_in_the_golden_file() -> None:
    written, rendered = GOLDEN.read_text("utf-8"), render()
    if written == rendered:
        return
    diff = difflib.unified_diff(written.splitlines(), rendered.splitlines(), "golden file", "code", lineterm="")
    pytest.fail(
        "\n".join(
            [
                f"The mails differ from {GOLDEN.name}. If the new text is right, run make docs, which writes {GOLDEN}, "
                "and review the difference.",
                *diff,
            ]
        ),
        pytrace=False,
    )


def test_the_digest_in_the_documentation_is_from_the_golden_file() -> None:
    sample = DOCUMENTED.read_text("utf-8").partition("```text\n")[2].partition("```")[0]
    assert sample.split()
    assert " ".join(sample.split()) in " ".join(GOLDEN.read_text("utf-8").split())


def test_the_golden_file_has_a_mail_of_every_kind() -> None:
    assert {title.partition(":")[0] for title in EVERY_MAIL} == {*NoticeKind, DIGEST, "summary"}
