"""The workflow runs what a person runs, with actions that cannot be exchanged and permissions that cannot be abused."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.name)
def text(request: pytest.FixtureRequest) -> str:
    return Path(request.param).read_text("utf-8")


@pytest.fixture
def workflow(text: str) -> Mapping[Any, Any]:
    loaded: Mapping[Any, Any] = yaml.safe_load(text)
    return loaded


def steps(workflow: Mapping[Any, Any]) -> Iterator[Mapping[str, Any]]:
    yield from (step for job in workflow["jobs"].values() for step in job["steps"])


def test_there_is_a_workflow() -> None:
    assert [path.name for path in WORKFLOWS] == ["ci.yml"]


def test_every_action_is_pinned_by_commit_with_its_version_beside_it(text: str) -> None:
    used = [line.partition("uses:")[2].strip() for line in text.splitlines() if "uses:" in line]
    assert used
    assert [each for each in used if not re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each)] == []


def test_one_action_has_one_version(text: str) -> None:
    pins = set(re.findall(r"uses: (\S+)@(\S+ # \S+)", text))
    assert len(pins) == len({action for action, _ in pins})


def test_nothing_is_permitted_but_what_a_job_needs(workflow: Mapping[Any, Any]) -> None:
    assert workflow["permissions"] == {}
    wanted = {name: {"contents": "read"} for name in workflow["jobs"]}
    wanted["deploy"] = {"contents": "read", "id-token": "write"}
    assert {name: job["permissions"] for name, job in workflow["jobs"].items()} == wanted


def test_only_a_person_deploys_from_main_and_the_environment_protects_it(workflow: Mapping[Any, Any]) -> None:
    deploy = workflow["jobs"]["deploy"]
    assert deploy["environment"] == "production"
    assert "github.event_name == 'workflow_dispatch'" in deploy["if"]
    assert "github.ref == 'refs/heads/main'" in deploy["if"]
    assert set(deploy["needs"]) == {"lint", "test", "build"}


def test_it_holds_no_secret_and_a_pull_request_runs_without_any(text: str, workflow: Mapping[Any, Any]) -> None:
    assert "secrets." not in text
    # YAML 1.1 reads `on` as true.
    assert set(workflow[True]) == {"push", "pull_request", "schedule", "workflow_dispatch"}


def test_no_script_is_made_of_what_a_stranger_writes(workflow: Mapping[Any, Any]) -> None:
    assert [step["run"] for step in steps(workflow) if "${{" in step.get("run", "")] == []


def test_a_checkout_keeps_no_credentials(workflow: Mapping[Any, Any]) -> None:
    checkouts = [step for step in steps(workflow) if step.get("uses", "").startswith("actions/checkout@")]
    assert len(checkouts) == len(workflow["jobs"])
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_it_runs_make_targets_and_nothing_else(workflow: Mapping[Any, Any]) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    runs = [step["run"].split() for step in steps(workflow) if "run" in step]
    assert {run[0] for run in runs} == {"make"}
    assert {run[1] for run in runs} <= targets


def test_the_nightly_job_runs_in_full_what_make_test_samples(workflow: Mapping[Any, Any]) -> None:
    nightly = workflow["jobs"]["nightly"]
    assert nightly["if"] == "github.event_name == 'schedule'"
    assert [step["run"] for step in nightly["steps"] if "run" in step] == ["make test-all"]
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert re.search(r"^test-all: test faults fuzz stress ##", makefile, re.MULTILINE)
