"""mfa-guard on the fake AWS of the benchmark: a small measurement, end to end."""

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from benchmarks.__main__ import _guard_handles, _guard_sweeps
from benchmarks.fake_aws import FakeAws, fake_aws
from benchmarks.population import User, drift, mismatches, users
from mfa_guard_cli.stack.template import load_template

PARAMETERS = {"Mode": "all", "WorkingMachineUsers": "enforce", "AlertEmail": "security@example.com"}


@pytest.fixture
def aws() -> Iterator[FakeAws]:
    with fake_aws(load_template().render(parameters=PARAMETERS)) as account:
        yield account


def test_calls_are_counted_by_service_and_name(aws: FakeAws) -> None:
    aws.counting.calls.clear()
    session = boto3.Session("AKIAIOSFODNN7EXAMPLE", "not-a-secret", region_name="us-east-1")
    session.client("iam", endpoint_url=aws.endpoint).list_users()
    session.client("dynamodb", endpoint_url=aws.endpoint).list_tables()
    assert dict(aws.counting.calls) == {"iam:ListUsers": 1, "dynamodb:ListTables": 1}


def test_a_sweep_does_the_job_and_the_next_sweep_writes_nothing(aws: FakeAws, tmp_path: Path) -> None:
    population = {user.name: user for user in users(20)}
    aws.fill(population.values())
    assert len(mismatches(population, aws.observed())) == len(population)
    _guard_sweeps(aws, tmp_path, 1)
    assert mismatches(population, aws.observed()) == ()
    aws.counting.calls.clear()
    _guard_sweeps(aws, tmp_path, 2)
    assert mismatches(population, aws.observed()) == ()
    assert not {"iam:AttachUserPolicy", "iam:TagUser"} & set(aws.counting.calls)
    changed = drift(population)
    aws.drift(changed)
    assert set(mismatches(population, aws.observed())) == {changed.detached, changed.untagged, changed.tagged}
    _guard_sweeps(aws, tmp_path, 3)
    assert mismatches(population, aws.observed()) == ()


def test_events_do_the_job_and_are_measured_one_by_one(aws: FakeAws, tmp_path: Path) -> None:
    population = {name: User(name, device=False, key=False) for name in ("ann", "ben", "cleo")}
    aws.fill(population.values())
    ran = _guard_handles(aws, tmp_path, list(population))
    assert mismatches(population, aws.observed()) == ()
    assert len(ran.spans) == len(population)
    assert ran.spans[0].cpu > max(span.cpu for span in ran.spans[1:])
