"""A known vulnerability fails, silence is said, and neither is taken for the other."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

import audit
from audit import Report, parse

CLEAN = {"name": "jmespath", "version": "1.1.0", "vulns": []}
VULNERABLE = {
    "name": "flask",
    "version": "0.5",
    "vulns": [
        {"id": "PYSEC-2019-179", "fix_versions": ["1.0"], "aliases": [], "description": ""},
        {"id": "PYSEC-2018-66", "fix_versions": [], "aliases": [], "description": ""},
    ],
}
SKIPPED = {"name": "own", "skip_reason": "Dependency not found on PyPI and could not be audited: own (1.0)"}


def answer(*dependencies: Mapping[str, object]) -> str:
    return json.dumps({"dependencies": dependencies, "fixes": []})


def test_a_vulnerability_fails_and_is_named_with_its_remedy() -> None:
    report = parse(answer(CLEAN, VULNERABLE))
    assert report.failed(required=False)
    [line] = [line for line in report.lines("x.txt") if "VULNERABLE" in line]
    assert "flask 0.5: PYSEC-2019-179, mended in 1.0; PYSEC-2018-66, mended in no version" in line


def test_clean_packages_are_counted() -> None:
    report = parse(answer(CLEAN))
    assert not report.failed(required=True)
    assert report.lines("x.txt") == ("x.txt: 1 packages without a known vulnerability",)


def test_what_was_not_answered_counts_as_clean_nowhere() -> None:
    report = parse(answer(CLEAN, SKIPPED))
    assert (report.clean, len(report.unanswered)) == (("jmespath",), 1)
    assert any("NOT CHECKED: 1, such as own" in line for line in report.lines("x.txt"))


@pytest.mark.parametrize(("required", "fails"), [(False, False), (True, True)])
def test_silence_fails_only_where_an_answer_is_required(required: bool, fails: bool) -> None:
    assert parse(answer(SKIPPED)).failed(required=required) is fails


@pytest.mark.parametrize("output", ["", "Traceback", "Could not resolve the host"])
def test_what_is_no_report_is_no_clean_one(output: str) -> None:
    with pytest.raises(ValueError, match="Expecting value"):
        parse(output)


@pytest.mark.parametrize(("arguments", "code"), [(["x.txt"], 0), (["--require", "x.txt"], 1)])
def test_a_database_out_of_reach_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str], code: int
) -> None:
    program = tmp_path / "pip-audit"
    program.write_text(f"#!{sys.executable}\nimport sys\nsys.exit('ConnectionError: no way there')\n", "utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert audit.main(arguments) == code
    assert "x.txt: NOT CHECKED: 1, such as ConnectionError: no way there" in capsys.readouterr().out


def test_a_report_of_nothing_is_not_a_failure() -> None:
    assert not Report().failed(required=True)
