"""Whom a preview advises to exempt: machines alone, and never a person beside them."""

import shlex

import pytest

from mfa_guard.core.settings import parse_settings
from mfa_guard_cli.preview.advice import advise, exempt_command
from mfa_guard_cli.stack.template import Template
from support.preview import KEY, Somebody, preview_of


def machine(path: str, name: str = "bot") -> Somebody:
    return Somebody(name, path, keys=(KEY,))


def person(path: str, name: str = "eve") -> Somebody:
    return Somebody(name, path, password=True)


@pytest.mark.parametrize(
    ("people", "paths", "names"),
    [
        ([], (), ()),
        ([machine("/")], (), ("bot",)),
        ([machine("/ci/")], ("/ci/",), ()),
        ([machine("/ci/"), person("/")], ("/ci/",), ()),
        ([machine("/ci/"), person("/ci/")], (), ("bot",)),
        ([machine("/ci/"), person("/ci/people/")], (), ("bot",)),
        ([machine("/ci/build/"), person("/ci/people/")], ("/ci/build/",), ()),
        ([machine("/ci/"), person("/cia/")], ("/ci/",), ()),
        # No wider than the machines that are there.
        ([machine("/engineering/ci/")], ("/engineering/ci/",), ()),
        ([machine("/ci/a/", "a"), machine("/ci/b/", "b")], ("/ci/",), ()),
        ([machine("/ci/a/x/", "a"), machine("/ci/a/y/", "b")], ("/ci/a/",), ()),
        ([machine("/ci/a/", "a"), machine("/ci/b/", "b"), person("/ci/c/")], ("/ci/a/", "/ci/b/"), ()),
        # Nobody knows who these are.
        ([machine("/ci/"), Somebody("old", "/ci/")], (), ("bot",)),
        ([machine("/ci/"), Somebody("new", "/ci/", reported=False)], (), ("bot",)),
        # The parameter could not hold it.
        ([machine("/a,b/")], (), ("bot",)),
        ([machine("/a//b/")], (), ("bot",)),
        # Somebody decided to bind one machine there.
        ([machine("/ci/"), Somebody("bound", "/ci/", keys=(KEY,), attached=True)], (), ("bot",)),
    ],
)
def test_paths_of_machines_alone_and_the_other_machines_by_name(
    people: list[Somebody], paths: tuple[str, ...], names: tuple[str, ...]
) -> None:
    advice = advise(preview_of(*people))
    assert (advice.paths, advice.names) == (paths, names)


def test_what_is_exempt_already_is_not_advised_again() -> None:
    people = (machine("/ci/", "a"), machine("/bots/", "b"))
    advice = advise(preview_of(*people, chosen={"exempt_path_prefixes": ("/ci/",)}))
    assert (advice.given, advice.paths, advice.names) == (("/ci/",), ("/bots/",), ())


def test_advised_paths_are_what_the_template_takes_and_exempt_every_machine(template: Template) -> None:
    people = [machine("/!~/", "a"), machine("/a.b-c+d/e=f@g/", "b"), person("/people/")]
    paths = ",".join(advise(preview_of(*people)).paths)
    stack = template.render(parameters={"ExemptPathPrefixes": paths})
    chosen = parse_settings(stack.environment("SweepFunction"))
    assert [bool(chosen.exempt_path(each.path)) for each in people] == [True, True, False]


@pytest.mark.parametrize("name", ["alice", "-x", "--all", "o'neil", "a b;rm"])
def test_the_command_names_the_user_whatever_he_is_called(name: str) -> None:
    words = shlex.split(exempt_command(name))
    assert words[:3] == ["mfa-guard", "exempt", "add"]
    assert words[3:] == (["--", name] if name.startswith("-") else [name])
