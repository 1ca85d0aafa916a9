"""Write the bill of materials of the built functions, as CycloneDX 1.6 in JSON: what is in the zips, read from them.

Every function has the same code, and each is looked at: a difference, or a package that src/requirements.txt does not
pin at that version, is an error.
"""

import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]


class NotAsPinned(Exception):
    """The built functions hold something else than what is pinned; one sentence."""


def pinned(requirements: str) -> Mapping[str, str]:
    """Return the versions that a requirements file with hashes pins, by name."""
    found = re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", requirements, re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


def built(folder: Path) -> Mapping[str, Distribution]:
    """Return the packages in a built function's folder, by name."""
    return {canonicalize_name(each.metadata["Name"]): each for each in distributions(path=[str(folder)])}


def checked(folders: Sequence[Path], pins: Mapping[str, str]) -> Mapping[str, Distribution]:
    """Return the packages that every one of the folders holds; raises NotAsPinned."""
    if not folders:
        raise NotAsPinned("No function is built; run make build.")
    for folder in folders:
        versions = {name: each.version for name, each in built(folder).items()}
        if versions != pins:
            raise NotAsPinned(f"{folder.name} holds {versions}, and src/requirements.txt pins {dict(pins)}.")
    return built(folders[0])


def bill(packages: Mapping[str, Distribution], version: str) -> Bom:
    """Return the functions' bill of materials; the same packages and version have the same serial number."""
    guard = Component(name="mfa-guard", version=version, type=ComponentType.APPLICATION, bom_ref="mfa-guard")
    components = {name: _component(name, each) for name, each in sorted(packages.items())}
    purls = ",".join(str(each.purl) for each in components.values())
    bom = Bom(components=components.values(), serial_number=uuid5(NAMESPACE_URL, f"mfa-guard@{version}:{purls}"))
    bom.metadata.component = guard
    # What nobody else needs is what the functions themselves import.
    needed = {name: [each for each in _needs(package) if each in components] for name, package in packages.items()}
    inner = {each for names in needed.values() for each in names}
    bom.register_dependency(guard, [components[name] for name in components if name not in inner])
    for name, names in needed.items():
        bom.register_dependency(components[name], [components[each] for each in names])
    return bom


def _component(name: str, package: Distribution) -> Component:
    metadata = package.metadata.json
    written = str(metadata.get("license_expression") or metadata.get("license") or "")
    licenses = [LicenseFactory().make_from_string(written)] if written and "\n" not in written else []
    return Component(
        name=name,
        version=package.version,
        type=ComponentType.LIBRARY,
        purl=PackageURL("pypi", None, name, package.version),
        bom_ref=f"pkg:pypi/{name}@{package.version}",
        licenses=licenses,
    )


def _needs(package: Distribution) -> Iterator[str]:
    """Yield what a package needs without any of its extras."""
    for line in package.requires or ():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield canonicalize_name(requirement.name)


def functions(build: Path) -> Iterable[Path]:
    """Return the folders of the built functions."""
    return sorted(folder for folder in build.iterdir() if folder.is_dir()) if build.is_dir() else ()


def main(target: Path) -> int:
    """Write the bill of materials to `target` and return the exit code."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    pins = pinned((ROOT / "src" / "requirements.txt").read_text("utf-8"))
    try:
        packages = checked(list(functions(ROOT / ".aws-sam" / "build")), pins)
    except NotAsPinned as error:
        print(error, file=sys.stderr)
        return 1
    target.write_text(JsonV1Dot6(bill(packages, version)).output_as_string(indent=2) + "\n", "utf-8")
    print(f"{target}: mfa-guard {version} and {len(packages)} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
