"""The bill of materials lists what is in the built functions, and nothing that is not pinned is in them."""

import json
from pathlib import Path

import pytest
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from sbom import NotAsPinned, bill, built, checked, pinned

REQUIREMENTS = """\
aws-lambda-powertools==3.37.0 \\
    --hash=sha256:92df
    # via -r requirements/lambda.in
Typing_Extensions==4.16.0 \\
    --hash=sha256:481c
"""
PINS = {"aws-lambda-powertools": "3.37.0", "typing-extensions": "4.16.0"}


def function(folder: Path, versions: dict[str, str]) -> Path:
    """Make a built function's folder, as far as the packages in it show."""
    for name, version in versions.items():
        info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        needs = "Requires-Dist: typing-extensions>=4\nRequires-Dist: boto3; extra == 'sdk'\n"
        metadata = f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\nLicense-Expression: MIT\n"
        (info / "METADATA").write_text(metadata + (needs if name == "aws-lambda-powertools" else ""), "utf-8")
    return folder


def test_pins_are_read_with_their_normal_names() -> None:
    assert pinned(REQUIREMENTS) == PINS


def test_what_is_built_as_pinned_is_listed(tmp_path: Path) -> None:
    folders = [function(tmp_path / name, PINS) for name in ("Alert", "Sweep")]
    bom = bill(checked(folders, PINS), "0.1.0")
    assert {str(each.purl) for each in bom.components} == {
        "pkg:pypi/aws-lambda-powertools@3.37.0",
        "pkg:pypi/typing-extensions@4.16.0",
    }
    written = JsonV1Dot6(bom).output_as_string()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(written) is None
    depends = {each["ref"]: each.get("dependsOn", []) for each in json.loads(written)["dependencies"]}
    assert depends == {
        "mfa-guard": ["pkg:pypi/aws-lambda-powertools@3.37.0"],
        "pkg:pypi/aws-lambda-powertools@3.37.0": ["pkg:pypi/typing-extensions@4.16.0"],
        "pkg:pypi/typing-extensions@4.16.0": [],
    }


def test_the_same_build_has_the_same_serial_number(tmp_path: Path) -> None:
    packages = built(function(tmp_path / "Alert", PINS))
    assert bill(packages, "0.1.0").serial_number == bill(packages, "0.1.0").serial_number
    assert bill(packages, "0.1.0").serial_number != bill(packages, "0.2.0").serial_number


@pytest.mark.parametrize("versions", [{}, PINS | {"evil": "1.0"}, PINS | {"typing-extensions": "4.0"}])
def test_a_function_that_is_not_as_pinned_is_refused(tmp_path: Path, versions: dict[str, str]) -> None:
    folders = [function(tmp_path / "Alert", PINS), function(tmp_path / "Sweep", versions)]
    folders[1].mkdir(exist_ok=True)
    with pytest.raises(NotAsPinned, match="Sweep holds"):
        checked(folders, PINS)


def test_without_a_build_there_is_nothing_to_list() -> None:
    with pytest.raises(NotAsPinned, match="make build"):
        checked([], PINS)


def test_everything_that_goes_into_the_zip_is_pinned_by_hash() -> None:
    requirements = (Path(__file__).parents[3] / "src" / "requirements.txt").read_text("utf-8")
    blocks = [block for block in requirements.split("\n") if "==" in block]
    assert len(pinned(requirements)) == len(blocks)
    assert all(block.endswith("\\") for block in blocks)
    assert requirements.count("--hash=sha256:") >= len(blocks)
