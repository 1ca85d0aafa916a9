"""A preview advises to exempt active machine users only, and never a person below the same path."""

import shlex

import pytest

from mfa_guard.core.settings import parse_settings
from mfa_guard_cli.preview.advice import advise, exempt_command
from mfa_guard_cli.stack.template import Template
from support.preview import KEY, SampleUser, preview_of


def machine(path: str, name: str = "bot") -> SampleUser:
    return SampleUser(name, path, keys=(KEY,))


def person(path: str, name: str = "eve") -> SampleUser:
    return SampleUser(name, path, password=True)


@pytest.mark.parametrize(
    ("users", "paths", "names"),
    [
        ([], (), ()),
        ([machine("/")], (), ("bot",)),
        ([machine("/ci/")], ("/ci/",), ()),
        ([machine("/ci/"), person("/")], ("/ci/",), ()),
        ([machine("/ci/"), person("/ci/")], (), ("bot",)),
        ([machine("/ci/"), person("/ci/people/")], (), ("bot",)),
        ([machine("/ci/build/"), person("/ci/people/")], ("/ci/build/",), ()),
        ([machine("/ci/"), person("/cia/")], ("/ci/",), ()),
        # No wider than the paths of the machine users.
        ([machine("/engineering/ci/")], ("/engineering/ci/",), ()),
        ([machine("/ci/a/", "a"), machine("/ci/b/", "b")], ("/ci/",), ()),
        ([machine("/ci/a/x/", "a"), machine("/ci/a/y/", "b")], ("/ci/a/",), ()),
        ([machine("/ci/a/", "a"), machine("/ci/b/", "b"), person("/ci/c/")], ("/ci/a/", "/ci/b/"), ()),
        # Their kind is not known.
        ([machine("/ci/"), SampleUser("old", "/ci/")], (), ("bot",)),
        ([machine("/ci/"), SampleUser("new", "/ci/", reported=False)], (), ("bot",)),
        # The parameter cannot contain these paths.
        ([machine("/a,b/")], (), ("bot",)),
        ([machine("/a//b/")], (), ("bot",)),
        # An administrator decided to enforce MFA for one of the machine users.
        ([machine("/ci/"), SampleUser("enforced", "/ci/", keys=(KEY,), attached=True)], (), ("bot",)),
    ],
)
def test_paths_with_machine_users_only_are_advised_and_the_other_machine_users_by_name(
    users: list[SampleUser], paths: tuple[str, ...], names: tuple[str, ...]
) -> None:
    advice = advise(preview_of(*users))
    assert (advice.paths, advice.names) == (paths, names)


def test_exempt_users_are_not_advised_again() -> None:
    users = (machine("/ci/", "a"), machine("/bots/", "b"))
    advice = advise(preview_of(*users, chosen={"exempt_path_prefixes": ("/ci/",)}))
    assert (advice.configured_paths, advice.paths, advice.names) == (("/ci/",), ("/bots/",), ())


def test_the_template_accepts_advised_paths_and_they_exempt_every_machine_user(template: Template) -> None:
    users = [machine("/!~/", "a"), machine("/a.b-c+d/e=f@g/", "b"), person("/people/")]
    paths = ",".join(advise(preview_of(*users)).paths)
    stack = template.render(parameters={"ExemptPathPrefixes": paths})
    chosen = parse_settings(stack.environment("SweepFunction"))
    assert [bool(chosen.exempt_path(each.path)) for each in users] == [True, True, False]


@pytest.mark.parametrize("name", ["alice", "-x", "--all", "o'neil", "a b;rm"])
def test_the_command_names_the_user_and_what_the_administrator_fills_in(name: str) -> None:
    program, group, command, *words = shlex.split(exempt_command(name))
    assert (program, group, command) == ("mfa-guard", "exempt", "add")
    options = ["--owner", "OWNER", "--reason", "REASON"]
    assert words == ([*options, "--", name] if name.startswith("-") else [name, *options])
