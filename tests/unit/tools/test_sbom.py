"""The built functions hold what the bill of materials lists, and nothing that is not pinned is in them."""

import json
import re
from pathlib import Path

import pytest

from sbom import main

PACKAGES = {"aws_lambda_powertools": "3.37.0", "typing_extensions": "4.16.0"}


@pytest.fixture
def bill(tmp_path: Path) -> Path:
    file = tmp_path / "sbom.cdx.json"
    components = [{"name": name.replace("_", "-"), "version": version} for name, version in PACKAGES.items()]
    file.write_text(json.dumps({"components": components}), "utf-8")
    return file


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """Return a build of two functions as they should be."""
    build = tmp_path / "build"
    for function in ("AlertFunction", "SweepFunction"):
        for name, version in PACKAGES.items():
            install(build / function, name, version)
        (build / function / "mfa_guard").mkdir()
        (build / function / "mfa_guard" / "ports.py").touch()
    (build / "template.yaml").touch()
    return build


def install(function: Path, name: str, version: str) -> None:
    """Install a package of one module and its bytecode, as pip does."""
    info = function / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n", "utf-8")
    (info / "RECORD").write_text(f"{name}.py,,\n{info.name}/METADATA,,\n{info.name}/RECORD,,\n", "utf-8")
    (function / f"{name}.py").touch()
    (function / "__pycache__").mkdir(exist_ok=True)
    (function / "__pycache__" / f"{name}.cpython-313.pyc").touch()


def test_functions_that_hold_what_is_listed_pass(bill: Path, build: Path) -> None:
    assert main(bill, build) == 0


def test_a_package_that_is_not_listed_is_named(bill: Path, build: Path, capsys: pytest.CaptureFixture[str]) -> None:
    install(build / "SweepFunction", "evil", "1.0")
    assert main(bill, build) == 1
    assert capsys.readouterr().out == "SweepFunction: evil 1.0 is in the function, not in the bill.\n"


def test_a_package_that_is_missing_is_named(bill: Path, build: Path, capsys: pytest.CaptureFixture[str]) -> None:
    info = build / "AlertFunction" / "typing_extensions-4.16.0.dist-info"
    (info / "METADATA").write_text("Metadata-Version: 2.4\nName: typing_extensions\nVersion: 4.0\n", "utf-8")
    assert main(bill, build) == 1
    assert capsys.readouterr().out.splitlines() == [
        "AlertFunction: typing-extensions 4.0 is in the function, not in the bill.",
        "AlertFunction: typing-extensions 4.16.0 is in the bill, not in the function.",
    ]


def test_a_file_of_no_package_is_named(bill: Path, build: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (build / "AlertFunction" / "sitecustomize.py").touch()
    assert main(bill, build) == 1
    assert capsys.readouterr().out == "AlertFunction: sitecustomize.py belongs to no package.\n"


def test_a_build_without_functions_fails(bill: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert main(bill, tmp_path / "empty") == 1


def test_everything_that_goes_into_the_zip_is_pinned_by_hash() -> None:
    requirements = (Path(__file__).parents[3] / "src" / "requirements.txt").read_text("utf-8")
    lines = [line for line in requirements.replace("\\\n", "").splitlines() if not line.lstrip().startswith("#")]
    assert lines
    assert [
        line for line in lines if not re.fullmatch(r"[\w.-]+==\S+( +--hash=sha256:[0-9a-f]{64})+", line.rstrip())
    ] == []
