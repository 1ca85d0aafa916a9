"""Write docs/mutants.md: how many mutants of the core the tests notice, and why the others are left alive.

Reads what `mutmut run` left in mutants/. The reasons are in tools/mutants.toml, by function and changed line and not by
the mutant's number, which every other change of the function moves.
"""

import ast
import json
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[1]
REASONS = "tools/mutants.toml"
# Of the mutants, in percent.
LEAST = 95

# Of mutmut's exit codes: a test failed, or did not end in many times the time that it takes otherwise.
_NOTICED = {1, 3, 24, 36, 152, 255, -24}
# Of the same: nobody came to try this one.
_UNTRIED = {None, 2}
# Stands between the parts of a method's name, which mutmut writes as xǁCLASSǁMETHOD, and a function's as x_FUNCTION.
_PART = "ǁ"


class NotGood(Exception):
    """The run is not one to be published; one sentence."""


@dataclass(frozen=True, order=True)
class Change:
    """What a mutant changes: `line` into `becomes`, in a function of a module. Lines are joined and not indented."""

    module: str
    function: str
    line: str
    becomes: str

    def __str__(self) -> str:
        """Return the change as an error names it."""
        return f"{self.module}.{self.function} ({self.line} -> {self.becomes})"


@dataclass(frozen=True)
class Run:
    """What became of all mutants."""

    total: int
    survivors: tuple[Change, ...]

    @property
    def killed(self) -> int:
        """Return how many of the mutants a test noticed."""
        return self.total - len(self.survivors)


def read(mutants: Path) -> Run:
    """Return the run whose results are below a folder; raises NotGood when it was not finished."""
    found = {meta: _codes(meta) for meta in sorted(mutants.rglob("*.py.meta"))}
    codes = [code for each in found.values() for code in each.values()]
    if not codes or _UNTRIED & set(codes):
        raise NotGood("mutmut did not come to try every mutant; run make mutants once without ARGS.")
    changes = [change for meta, each in found.items() for change in _survivors(meta.with_suffix(""), each)]
    return Run(len(codes), tuple(sorted(changes)))


def _codes(meta: Path) -> Mapping[str, int | None]:
    codes: Mapping[str, int | None] = json.loads(meta.read_text("utf-8"))["exit_code_by_key"]
    return codes


def _survivors(mutated: Path, codes: Mapping[str, int | None]) -> Iterator[Change]:
    alive = [name for name, code in codes.items() if code not in _NOTICED]
    if not alive:
        return
    source = mutated.read_text("utf-8")
    lines = source.splitlines()
    functions = {
        each.name: lines[each.lineno - 1 : each.end_lineno]
        for each in ast.walk(ast.parse(source))
        if isinstance(each, ast.FunctionDef)
    }
    for name in alive:
        module, _, mangled = name.rpartition(".")
        base = mangled.rpartition("__mutmut_")[0]
        original = _named(functions[f"{base}__mutmut_orig"], base)
        yield Change(module, _function(base), *_difference(original, _named(functions[mangled], base)))


def _named(lines: Sequence[str], base: str) -> list[str]:
    """Return a function's lines, with the name that all its mutants share."""
    head, *body = dedent("\n".join(lines)).splitlines()
    return [f"def {base}({head.partition('(')[2]}", *body]


def _function(base: str) -> str:
    return base.removeprefix(f"x{_PART}").replace(_PART, ".") if _PART in base else base.removeprefix("x_")


def _difference(old: Sequence[str], new: Sequence[str]) -> tuple[str, str]:
    changed = [each for each in SequenceMatcher(None, old, new, autojunk=False).get_opcodes() if each[0] != "equal"]
    return (
        " ".join(line.strip() for _, start, end, _, _ in changed for line in old[start:end]),
        " ".join(line.strip() for _, _, _, start, end in changed for line in new[start:end]),
    )


def parse_reasons(text: str) -> Mapping[Change, str]:
    """Return why each survivor is left alive, from a file of tables [[survivor]]."""
    return {
        Change(each["module"], each["function"], each["line"], each["becomes"]): each["reason"]
        for each in tomllib.loads(text)["survivor"]
    }


def checked(run: Run, reasons: Mapping[Change, str]) -> None:
    """Raise NotGood for too many survivors, and for one without a reason."""
    if run.killed * 100 < run.total * LEAST:
        raise NotGood(f"The tests notice {run.killed} of {run.total} mutants, less than {LEAST} %.")
    if unexplained := sorted(set(run.survivors) - set(reasons)):
        named = "; ".join(map(str, unexplained))
        raise NotGood(f"A test should notice, or {REASONS} explain, {len(unexplained)} mutants: {named}.")


def page(run: Run, reasons: Mapping[Change, str]) -> str:
    """Return the page about a run each of whose survivors has its reason."""
    rows = (
        f"| `{each.module.rpartition('.')[2]}` | `{each.function}` | {_cell('-', each.line)}<br>"
        f"{_cell('+', each.becomes)} | {reasons[each]} |"
        for each in run.survivors
    )
    # Never rounded up: 100 % is said of all.
    share = run.killed * 1000 // run.total / 10
    return "\n".join(
        [
            "# What the tests notice",
            "",
            "`make mutants` changes one thing at a time in `src/mfa_guard/core` and runs the tests of the core each",
            "time: a change that no test notices is a gap in the tests, or makes no difference. It wrote this page.",
            "Decorated methods and tables of a module are not changed: mutmut cannot switch them.",
            "",
            "| Mutants | Noticed | Share | Left alive |",
            "| --- | --- | --- | --- |",
            f"| {run.total:,} | {run.killed:,} | {share} % | {len(run.survivors)} |",
            "",
            f"At least {LEAST} % have to be noticed, and each of the others needs a reason in `{REASONS}`:",
            "",
            "| Module | Function | Change | Why no test notices |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
        ]
    )


def _cell(sign: str, line: str) -> str:
    # A bar would end the table's cell, and a backtick the code.
    return f"`` {sign} {line} ``".replace("|", "\\|")


def unused(run: Run, reasons: Iterable[Change]) -> tuple[Change, ...]:
    """Return the changes that have a reason and are alive no longer."""
    return tuple(sorted(set(reasons) - set(run.survivors)))


def main(root: Path) -> int:
    """Write the page and return the exit code."""
    reasons = parse_reasons((root / REASONS).read_text("utf-8"))
    try:
        run = read(root / "mutants")
        checked(run, reasons)
    except NotGood as error:
        print(error, file=sys.stderr)
        return 1
    for each in unused(run, reasons):
        print(f"{REASONS} explains what is alive no longer: {each}.", file=sys.stderr)
    target = root / "docs" / "mutants.md"
    target.write_text(page(run, reasons), "utf-8")
    print(f"{target.relative_to(root)}: {run.killed} of {run.total} mutants noticed")
    return 0


if __name__ == "__main__":
    sys.exit(main(ROOT))
