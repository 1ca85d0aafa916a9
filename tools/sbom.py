"""Check that every built function holds exactly the packages that the bill of materials lists, and the guard's code."""

import json
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import distributions
from pathlib import Path

from packaging.utils import NormalizedName, canonicalize_name

# The guard's code, and the bytecode that the build compiles.
_OWN = {"mfa_guard", "__pycache__"}


def listed(bill: Path) -> Mapping[NormalizedName, str]:
    """Return the versions that a CycloneDX bill of materials in JSON lists, by name."""
    components = json.loads(bill.read_text("utf-8"))["components"]
    return {canonicalize_name(each["name"]): each["version"] for each in components}


def differences(function: Path, packages: Mapping[NormalizedName, str]) -> Iterator[str]:
    """Yield one sentence for each difference between a built function's folder and the listed packages."""
    found = list(distributions(path=[str(function)]))
    held = {canonicalize_name(each.metadata["Name"]): each.version for each in found}
    for name, version in sorted(held.items() ^ packages.items()):
        where = "the bill, not in the function" if packages.get(name) == version else "the function, not in the bill"
        yield f"{function.name}: {name} {version} is in {where}."
    recorded = {function / file for each in found for file in each.files or ()}
    for file in sorted(set(function.rglob("*")) - recorded):
        if file.is_file() and not _OWN & set(file.relative_to(function).parts):
            yield f"{function.name}: {file.relative_to(function)} belongs to no package."


def main(bill: Path, build: Path) -> int:
    """Compare every function below `build` with the bill, print the differences, and return the exit code."""
    functions = sorted(each for each in build.iterdir() if each.is_dir())
    if not functions:
        print(f"{build} holds no function; run make build.")
        return 1
    found = [line for function in functions for line in differences(function, listed(bill))]
    print("\n".join(found) or f"{bill}: {len(functions)} functions hold exactly what it lists.")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
