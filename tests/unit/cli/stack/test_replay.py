"""`mfa-guard replay` as a user or a script runs it: output, errors, exit codes, terminals."""

import gzip
import io
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mfa_guard_cli.main import app
from mfa_guard_cli.stack import replay as module
from mfa_guard_cli.stack.template import TemplateError
from support.factories import detail, envelope

EVENTS = Path(__file__).parents[4] / "events"
PROGRAM = "from mfa_guard_cli.main import app; app()"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["replay", *map(str, arguments)])


def write(path: Path, *records: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = json.dumps({"Records": records}).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def ids(result: Result) -> list[object]:
    return [json.loads(line)["event_id"] for line in result.stdout.splitlines()]


def test_json_has_one_line_for_each_record_in_order(tmp_path: Path) -> None:
    write(tmp_path / "b/111122223333_CloudTrail_us-east-1_20260101T0000Z_a.json.gz", detail("CreateUser", eventID="2"))
    write(tmp_path / "a.json", detail("ListUsers", eventID="0"), detail("CreateUser", eventID="1"))
    lines = [detail("TagUser", eventID="3"), envelope(detail("CreateUser", eventID="4"))]
    (tmp_path / "c.jsonl").write_text("\n".join(map(json.dumps, lines)), "utf-8")
    result = run("--format", "json", tmp_path)
    assert ids(result) == ["0", "1", "2", "3", "4"]
    assert (result.exit_code, result.stderr) == (0, "")


def test_paths_are_read_in_the_order_given(tmp_path: Path) -> None:
    one = write(tmp_path / "one.json", detail("CreateUser", eventID="1"))
    two = write(tmp_path / "two.json", detail("CreateUser", eventID="2"))
    assert ids(run("--format", "json", two, one, two)) == ["2", "1", "2"]


def test_a_broken_record_is_a_line_and_not_a_failure(tmp_path: Path) -> None:
    file = write(tmp_path / "a.json", 5, detail("CreateUser", eventID="1"), {})
    result = run("--format", "json", file)
    problems = [json.loads(line)["problem"] for line in result.stdout.splitlines()]
    assert problems == ["The record is not an object.", None, "The record's eventName is missing."]
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"not JSON", "the file is not JSON."),
        (b"\xff", "the file is not JSON: it is not UTF-8 text."),
        (b"", "the file is not JSON: it is empty."),
        (gzip.compress(b"{}" * 100, mtime=0)[:20], "the file cannot be unpacked: its gzip data is damaged or cut off."),
    ],
)
def test_a_file_that_is_not_json_is_reported_and_the_others_are_read(
    tmp_path: Path, content: bytes, sentence: str
) -> None:
    write(tmp_path / "a.json", detail("CreateUser", eventID="1"))
    (tmp_path / "b.json").write_bytes(content)
    write(tmp_path / "c.json", detail("CreateUser", eventID="2"))
    result = run("--format", "json", tmp_path)
    assert ids(result) == ["1", "2"]
    assert result.stderr == f"{tmp_path / 'b.json'}: {sentence}\n"
    assert result.exit_code == 1
    assert run(tmp_path).stdout.endswith("2 records: 2 would invoke a function, 0 problems, 1 file not read.\n")


def test_a_path_that_does_not_exist_is_wrong_use_and_nothing_is_read(tmp_path: Path) -> None:
    result = run(write(tmp_path / "a.json", detail("CreateUser")), tmp_path / "gone")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "does not exist" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("arguments", [["--format", "xml", str(EVENTS)], ["--nonsense", str(EVENTS)], []])
def test_wrong_use_is_exit_code_2(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


def test_the_program_alone_shows_its_help() -> None:
    result = CliRunner().invoke(app, [])
    assert "replay" in result.output


def test_a_template_that_cannot_be_used_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise TemplateError("The template is broken.")

    monkeypatch.setattr(module, "load_template", broken)
    result = run(EVENTS)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", "The template is broken.\n")


def test_the_table_shows_what_each_record_invokes_and_ends_with_a_summary(tmp_path: Path) -> None:
    carol = {"type": "IAMUser", "userName": "carol"}
    write(tmp_path / "a.json", detail("CreateUser", userIdentity=carol), detail("ListUsers", userIdentity=carol), 5)
    result = run(tmp_path)
    heading, created, listed, broken, problem, summary = result.stdout.splitlines()
    assert heading.split() == ["EVENT", "RULES", "SUBJECT", "ACTOR"]
    assert created.split() == ["CreateUser", "UserEventFunctionNewCredentials", "user/alice", "user/carol"]
    assert listed.split() == ["ListUsers", "-", "-", "user/carol"]
    assert broken.split() == ["-", "-", "-", "unknown"]
    assert problem == "  problem: The record is not an object."
    assert summary == "3 records: 1 would invoke a function, 1 problem."


def test_the_sample_events_have_no_problems() -> None:
    result = run(EVENTS)
    count = len(list(EVENTS.glob("*.json")))
    assert (result.exit_code, result.stderr) == (0, "")
    assert re.search(rf"^{count:,} records: \d+ would invoke a function, 0 problems\.$", result.stdout, re.MULTILINE)


HOSTILE = "[red]x[/red]\x1b[2J\x07\n\r\u202e\u200b\ud800:boom:"


def test_control_characters_in_a_record_are_escaped(tmp_path: Path) -> None:
    actor = {"type": "IAMUser", "userName": HOSTILE}
    write(tmp_path / "a.json", detail(HOSTILE, userIdentity=actor))
    result = run(tmp_path)
    shown = "[red]x[/red]\\x1b[2J\\x07\\n\\r\\u202e\\u200b\\ud800:boom:"
    assert result.stdout.splitlines()[1].split() == [shown, "-", "-", f"user/{shown}"]


def test_control_characters_in_a_file_name_are_escaped(tmp_path: Path) -> None:
    (tmp_path / "\x1b[2J.json").write_text("not JSON", "utf-8")
    assert run(tmp_path).stderr == f"{tmp_path}/\\x1b[2J.json: the file is not JSON.\n"


def on_terminal(arguments: Sequence[str], *, columns: int) -> str:
    """Run the program with its standard output on a terminal; return what arrived there."""
    outer, inner = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    with subprocess.Popen([sys.executable, "-c", PROGRAM, *arguments], stdout=inner, env=environment) as process:
        os.close(inner)
        received = b""
        # On Linux a terminal whose other side is closed reads as an error.
        try:
            while part := os.read(outer, 65536):
                received += part
        except OSError:
            pass
    os.close(outer)
    assert process.returncode == 0
    return received.decode()


@pytest.mark.parametrize("columns", [60, 400])
def test_on_a_terminal_the_table_has_colors_and_fits(columns: int) -> None:
    shown = on_terminal(["replay", str(EVENTS)], columns=columns)
    assert "\x1b[" in shown
    lines = re.sub(r"\x1b\[[0-9;]*m", "", shown).splitlines()
    assert max(map(len, lines)) <= columns
    assert ("…" in shown) is (columns == 60)


def test_without_a_terminal_there_are_no_colors_and_nothing_is_cut() -> None:
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, "replay", str(EVENTS)], capture_output=True, text=True, check=True
    )
    assert "\x1b" not in result.stdout + result.stderr
    assert "…" not in result.stdout


def test_a_reader_that_stops_early_is_no_error(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", *[detail("CreateUser")] * 5000)
    command = [sys.executable, "-c", PROGRAM, "replay", "--format", "json", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""


class Screen(io.StringIO):
    """A standard stream that is a terminal."""

    def isatty(self) -> bool:
        return True


def bar(monkeypatch: pytest.MonkeyPatch, file: Path, *, out: io.StringIO, err: io.StringIO, patience: float) -> str:
    """Read a thousand records under a bar; return what standard error shows then."""
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.setattr(module, "_PATIENCE", patience)
    with module._progress([file]) as advance:
        for _ in range(1000):
            advance(0)
        sys.stdout.write("a line")
        advance(file.stat().st_size)
    assert out.getvalue() == "a line"
    return err.getvalue()


def test_a_bar_shows_when_it_takes_long_and_a_terminal_is_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    file = write(tmp_path / "a.json")
    slow, quick = {"patience": 0.0}, {"patience": 60.0}
    assert "1,000 records" in bar(monkeypatch, file, out=io.StringIO(), err=Screen(), **slow)
    assert "records" not in bar(monkeypatch, file, out=io.StringIO(), err=Screen(), **quick)
    assert bar(monkeypatch, file, out=io.StringIO(), err=io.StringIO(), **slow) == ""
    # A bar would disturb the table, which itself shows the progress.
    assert bar(monkeypatch, file, out=Screen(), err=Screen(), **slow) == ""
