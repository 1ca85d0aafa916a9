"""Text from strangers is shown, and cannot imitate the guard's text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfa_guard.core.sanitize import SUBJECT_LIMIT, sanitize, subject_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("aws-cli/2.30 md/x", "aws-cli/2.30 md/x"),
        ("a\r\nSubject: b", "a??Subject: b"),
        ("a\u2028b\u202eb\x00\x1b[31m", "a?b?b??[31m"),
        ("<b>Ünïcode</b>", "<b>Ünïcode</b>"),
        (None, "unknown"),
        ("", "unknown"),
    ],
)
def test_control_and_format_characters_become_question_marks(text: str | None, shown: str) -> None:
    assert sanitize(text) == shown


@given(st.text(), st.integers(4, 300))
def test_any_text_is_one_bounded_line(text: str, limit: int) -> None:
    shown = sanitize(text, limit)
    assert len(shown) <= max(limit, len("unknown"))
    assert len(shown.splitlines()) <= 1


@given(st.text(max_size=300))
def test_a_mail_subject_is_printable_ascii_of_less_than_100_characters(text: str) -> None:
    line = subject_line(text)
    assert len(line) <= SUBJECT_LIMIT < 100
    assert line.isascii()
    assert line.isprintable() or line == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a ~", "a ~"), ("M\u00fcller\x7f", "M?ller?"), ("x" * 99, "x" * 99), ("x" * 100, "x" * 96 + "...")],
)
def test_a_subject_is_cut_at_99_characters(text: str, shown: str) -> None:
    assert subject_line(text) == shown


def test_a_line_is_cut_at_its_limit() -> None:
    assert sanitize("x" * 200) == "x" * 200
    assert sanitize("x" * 201) == "x" * 197 + "..."
    assert sanitize("x" * 5, 5) == "xxxxx"
    assert sanitize("x" * 6, 5) == "xx..."
