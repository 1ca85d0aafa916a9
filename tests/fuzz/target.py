"""Everything that receives an event, without AWS: the parsers, the router, and the handlers with their real logs."""

import contextlib
import io
import json
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any, Final, NoReturn
from unittest.mock import patch

from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyItemAlreadyExistsError,
    IdempotencyItemNotFoundError,
)
from aws_lambda_powertools.utilities.idempotency.persistence.base import BasePersistenceLayer
from aws_lambda_powertools.utilities.idempotency.persistence.datarecord import DataRecord

from fuzz.events import ENDLESS, SECRET
from mfa_guard.core.alerts import parse_alert
from mfa_guard.core.cloudtrail import EventNotUnderstood, actor_of, parse_user_event
from mfa_guard.core.custom_resource import Request, RequestNotUnderstood, Response, parse_request
from mfa_guard.core.errors import NotVisibleYet
from mfa_guard.core.exemption_changes import parse_exemption_change
from mfa_guard.core.sweep_request import SweepNotUnderstood, parse_sweep_request
from mfa_guard.handlers import alert, sweep, teardown, user_event
from mfa_guard.runtime import idempotency
from mfa_guard.runtime.observability import LOGGER, TELEMETRY
from mfa_guard.use_cases.alert import AlertDependencies
from mfa_guard_cli.stack.router import Router
from mfa_guard_cli.stack.template import load_template
from support.alert_fakes import alert_dependencies
from support.aws import Context
from support.factories import NOW
from support.fakes import FakeAccount, FakeUser
from support.teardown import STACK, FakeDeletion

DECLARED: Final = (EventNotUnderstood, NotVisibleYet, SweepNotUnderstood, RequestNotUnderstood)
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
LONGEST_LINE: Final = 256 * 1024
# How much of an event a line may contain, in all fields together.
LONGEST_ECHO: Final = 16 * 1024


class _AnyUser(dict[str, FakeUser]):
    """Every user that an event names exists."""

    def __missing__(self, name: str) -> FakeUser:
        return FakeUser(name=name, password=True)

    def get(self, name: str, default: object = None) -> FakeUser:  # noqa: ARG002
        return self[name]

    def __contains__(self, name: object) -> bool:
        return True


class _RecordsInMemory(BasePersistenceLayer):
    """Keeps idempotency records in memory."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.records: dict[str, DataRecord] = {}

    def _get_record(self, idempotency_key: str) -> DataRecord:
        if idempotency_key not in self.records:
            raise IdempotencyItemNotFoundError
        return self.records[idempotency_key]

    def _put_record(self, data_record: DataRecord) -> None:
        if data_record.idempotency_key in self.records:
            raise IdempotencyItemAlreadyExistsError
        self.records[data_record.idempotency_key] = data_record

    def _update_record(self, data_record: DataRecord) -> None:
        self.records[data_record.idempotency_key] = data_record

    def _delete_record(self, data_record: DataRecord) -> None:
        self.records.pop(data_record.idempotency_key, None)


@dataclass
class _ResponseSender:
    def send(self, request: Request, response: Response) -> None:
        json.loads(request.body(response))


@dataclass
class Target:
    """Receives the events.

    `understood`: how many events each part understood. `longest`: the longest line of the log, in bytes.
    """

    understood: Counter[str] = field(default_factory=Counter)
    longest: int = 0
    _output: io.StringIO = field(default_factory=io.StringIO)

    def __post_init__(self) -> None:
        self._router = Router(load_template())
        self._parts: Mapping[str, Callable[[Any], object]] = {
            "parse_user_event": lambda event: parse_user_event(_detail(event)),
            "parse_alert": lambda event: parse_alert(_detail(event)),
            "parse_sweep_request": parse_sweep_request,
            "parse_request": lambda event: parse_request(event, STACK),
            "parse_exemption_change": lambda event: [parse_exemption_change(each, NOW) for each in _records(event)],
            "actor_of": lambda event: actor_of(_detail(event)),
            "route": self._route,
            "UserEventFunction": lambda event: user_event.lambda_handler(event, Context()),
            "AlertFunction": lambda event: alert.lambda_handler(event, Context()),
            "SweepFunction": lambda event: sweep.lambda_handler(event, Context()),
            "TeardownFunction": lambda event: teardown.lambda_handler(event, Context()),
        }

    def send(self, event: object) -> None:
        """Send an event to every part.

        Raises each error that a part does not declare, and AssertionError for a bad log.
        """
        for name, part in self._parts.items():
            error = self._declared_error(part, event)
            assert len(error) < LONGEST_ECHO
            assert SECRET not in error
            self.understood[name] += not error
        self._check_log()

    @staticmethod
    def _declared_error(part: Callable[[Any], object], event: object) -> str:
        try:
            part(event)
        except DECLARED as error:
            return str(error)
        return ""

    def _check_log(self) -> None:
        output = self._output.getvalue()
        self._output.seek(0)
        self._output.truncate()
        for line in output.splitlines():
            self.longest = max(self.longest, len(line.encode()))
            assert len(line.encode()) <= LONGEST_ECHO < LONGEST_LINE
            json.loads(line)
        assert SECRET not in output
        assert ENDLESS[:1000] not in output

    def _route(self, event: object) -> None:
        json.loads(self._router.route(event).as_json())

    @contextlib.contextmanager
    def open(self) -> Iterator["Target"]:
        """Replace everything that calls AWS until the end."""
        stack = load_template().render(parameters={"Mode": "all"})
        environment = {**stack.environment("SweepFunction"), "STACK_ID": STACK.arn, "AWS_DEFAULT_REGION": "us-east-1"}
        with ExitStack() as exits:
            exits.enter_context(patch.dict(os.environ, environment))
            exits.enter_context(patch.object(idempotency, "_persistence_layer", lambda *_: _RecordsInMemory()))
            exits.enter_context(
                patch.object(
                    user_event,
                    "remediate_dependencies",
                    lambda _: replace(_account().dependencies, **_real_telemetry()),
                )
            )
            exits.enter_context(patch.object(alert, "alert_dependencies", lambda _: _alert_dependencies()))
            exits.enter_context(
                patch.object(
                    sweep, "sweep_dependencies", lambda *_: replace(_account().sweep_dependencies, **_real_telemetry())
                )
            )
            exits.enter_context(patch.object(teardown, "response_sender", _ResponseSender))
            exits.enter_context(patch.object(teardown, "own_stack", lambda: STACK))
            exits.enter_context(
                patch.object(
                    teardown,
                    "teardown_dependencies",
                    lambda _: replace(FakeDeletion().dependencies(), **_real_telemetry()),
                )
            )
            exits.enter_context(patch("boto3.client", _no_aws))
            for handler in logging.getLogger(LOGGER.service).handlers:
                exits.enter_context(patch.object(handler, "stream", self._output))
            exits.enter_context(contextlib.redirect_stdout(self._output))
            yield self


def _account() -> FakeAccount:
    account = FakeAccount()
    account.iam.users = _AnyUser()
    return account


def _alert_dependencies() -> AlertDependencies:
    account = FakeAccount()
    return replace(alert_dependencies(account), telemetry=TELEMETRY)


def _real_telemetry() -> Mapping[str, Any]:
    """Return the dependency that writes the real log."""
    return {"telemetry": TELEMETRY}


def _no_aws(*_: object, **__: object) -> NoReturn:
    raise AssertionError("the fuzz test called AWS")


def _detail(event: object) -> Mapping[str, object]:
    detail = event.get("detail") if isinstance(event, dict) else None
    return detail if isinstance(detail, dict) else {}


def _records(event: object) -> list[object]:
    records = event.get("Records") if isinstance(event, dict) else None
    return records if isinstance(records, list) else [event]
