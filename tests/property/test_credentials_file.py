"""A write to a credentials file changes only its profile. Everything else stays the same, to the last character."""

import string
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from mfa_guard_cli.common.errors import WrongUse
from mfa_guard_cli.user.credentials_file import CredentialsFile
from support.user import credentials

_WORD = st.text(string.ascii_letters + string.digits + "_-", min_size=1, max_size=8)
_VALUE = st.text(string.ascii_letters + string.digits + "=/+:#;% ", max_size=12)
_LINE = st.one_of(
    st.builds("{}{}{}".format, _WORD, st.sampled_from(["=", " = ", ": ", " :"]), _VALUE),
    st.builds("# {}".format, _VALUE),
    st.builds("; {}".format, _VALUE),
    st.just(""),
    st.builds("  {} = {}".format, _WORD, _VALUE),
    st.builds("[{}]".format, st.sampled_from(["default", "mfa", "work", "DEFAULT", "a.b"])),
    st.sampled_from(["aws_session_token = old", "aws_access_key_id = ASIAOLD", "aws_secret_access_key=x", "rubbish"]),
)
_KEY = st.sampled_from(["aws_access_key_id", "AWS_Session_Token", "aws_session_token", "region", "x", "y"])
_OPTION = st.tuples(_KEY, st.sampled_from(["=", " = ", ": "]), _VALUE, st.sampled_from(["", "\n  nested = 1"]))


def _profile(name: str, options: list[tuple[str, str, str, str]], between: list[str]) -> list[str]:
    lines = [f"[{name}]"]
    for (key, delimiter, value, rest), line in zip(options, [*between, *[""] * len(options)], strict=False):
        lines += [f"{key}{delimiter}{value}{rest}", *([line] if line else [])]
    return lines


def _tidy(draw: st.DrawFn) -> list[str]:
    """Return the lines of a valid file."""
    comments = st.lists(st.builds("# {}".format, _VALUE), max_size=2)
    lines = draw(comments)
    for name in draw(st.lists(st.sampled_from(["default", "mfa", "work", "DEFAULT"]), unique=True, max_size=4)):
        options = draw(st.lists(_OPTION, unique_by=lambda option: option[0].lower(), max_size=4))
        lines += [*_profile(name, options, draw(comments)), *draw(st.lists(st.sampled_from(["", "; end"]), max_size=2))]
    return lines


_FILE = st.builds(
    lambda lines, end, ends: end.join("\n".join(lines).split("\n")) + (end if ends and lines else ""),
    st.one_of(st.lists(_LINE, max_size=20), st.composite(_tidy)()),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)


def _others(text: str) -> list[str]:
    """Return every line outside of [mfa], and the comments in it."""
    kept, inside = [], False
    for line in text.replace("\r\n", "\n").split("\n"):
        if line.startswith("["):
            inside = line == "[mfa]"
        if not inside or line.startswith(("#", ";")):
            kept.append(line)
    return [line for line in kept if line]


@given(_FILE)
def test_a_file_is_edited_in_place_or_not_at_all(text: str) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "credentials"
        path.write_bytes(text.encode())
        try:
            CredentialsFile(path).write("mfa", credentials("new"))
        except WrongUse:
            assert path.read_bytes() == text.encode()
            return
        new = path.read_bytes().decode()
        assert [line for line in _others(new) if line != "[mfa]"] == [line for line in _others(text) if line != "[mfa]"]
        once = path.read_bytes()
        CredentialsFile(path).write("mfa", credentials("new"))
        assert path.read_bytes() == once
