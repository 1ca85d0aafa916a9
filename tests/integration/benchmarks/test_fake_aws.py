"""mfa-guard alone on the benchmark's fake AWS: a small measurement, end to end."""

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from benchmarks.__main__ import _guard_handles, _guard_sweeps
from benchmarks.fake_aws import FakeAws, fake_aws
from benchmarks.population import Person, drift, people, wrong
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


def test_a_sweep_does_the_job_and_the_next_one_finds_it_done(aws: FakeAws, tmp_path: Path) -> None:
    crowd = {person.name: person for person in people(20)}
    aws.fill(crowd.values())
    assert len(wrong(crowd, aws.found())) == len(crowd)
    _guard_sweeps(aws, tmp_path, 1)
    assert wrong(crowd, aws.found()) == ()
    aws.counting.calls.clear()
    _guard_sweeps(aws, tmp_path, 2)
    assert wrong(crowd, aws.found()) == ()
    assert not {"iam:AttachUserPolicy", "iam:TagUser"} & set(aws.counting.calls)
    changed = drift(crowd)
    aws.drift(changed)
    assert set(wrong(crowd, aws.found())) == {changed.detached, changed.untagged, changed.tagged}
    _guard_sweeps(aws, tmp_path, 3)
    assert wrong(crowd, aws.found()) == ()


def test_events_do_the_job_and_are_timed_one_by_one(aws: FakeAws, tmp_path: Path) -> None:
    crowd = {name: Person(name, device=False, key=False) for name in ("ann", "ben", "cleo")}
    aws.fill(crowd.values())
    ran = _guard_handles(aws, tmp_path, list(crowd))
    assert wrong(crowd, aws.found()) == ()
    assert len(ran.spans) == len(crowd)
    assert ran.spans[0].cpu > max(span.cpu for span in ran.spans[1:])
