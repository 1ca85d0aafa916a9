"""Run the template's functions in this process, as much as a process can be theirs."""

import contextlib
import importlib
import io
import json
import logging
import os
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Final
from unittest.mock import patch

from mfa_guard_cli.intrinsics import as_text
from mfa_guard_cli.template import Fields, Stack

# What holds clients, a logger and metrics: a real function's process has them to itself.
_PER_PROCESS: Final = ("mfa_guard.bootstrap", "mfa_guard.handlers")
_METRICS_MARK: Final = "_aws"


@dataclass(frozen=True)
class Context:
    """What Lambda passes to a handler beside the event."""

    function_name: str
    invoked_function_arn: str
    memory_limit_in_mb: int
    timeout_seconds: int
    aws_request_id: str
    log_group_name: str
    function_version: str = "$LATEST"
    log_stream_name: str = "local"
    started: float = field(default_factory=time.monotonic)

    def get_remaining_time_in_millis(self) -> int:
        """Return how long the invocation may still take."""
        return max(0, int((self.started + self.timeout_seconds - time.monotonic()) * 1000))


@dataclass(frozen=True)
class Attempt:
    """One run of a handler: its answer or its error, and what it printed."""

    answer: object = None
    error: Exception | None = None
    output: str = ""

    def counted(self) -> Counter[str]:
        """Return the sums of the metrics in the output, which CloudWatch would take from the log."""
        counted: Counter[str] = Counter()
        for name, values in self._metrics():
            counted[name] += int(sum(values))
        return counted

    def measured(self) -> Mapping[str, float]:
        """Return the newest value of each metric in the output."""
        return {name: values[-1] for name, values in self._metrics()}

    def _metrics(self) -> Iterator[tuple[str, Sequence[float]]]:
        for line in self.output.splitlines():
            entry = json.loads(line) if line.startswith("{") else {}
            for directive in entry.get(_METRICS_MARK, {}).get("CloudWatchMetrics", []):
                for metric in directive["Metrics"]:
                    value = entry[metric["Name"]]
                    yield metric["Name"], value if isinstance(value, list) else [value]


class Function:
    """A function of the stack, loaded as a new process would load it."""

    def __init__(self, stack: Stack, logical_id: str) -> None:
        resource = stack.resource(logical_id)
        self.logical_id = logical_id
        self.name = resource.physical_id
        self.arn = as_text(stack.resolve({"Fn::GetAtt": [logical_id, "Arn"]}))
        self.role_arn = as_text(resource.properties["Role"])
        self.actions = frozenset(_actions(stack, self.role_arn))
        self._memory = int(as_text(resource.properties["MemorySize"]))
        self._timeout = int(as_text(resource.properties["Timeout"]))
        logging_config = resource.properties.get("LoggingConfig")
        group = logging_config.get("LogGroup") if isinstance(logging_config, Mapping) else None
        self._log_group = as_text(group or f"/aws/lambda/{self.name}")
        self._variables = {**stack.environment(logical_id), "AWS_LAMBDA_FUNCTION_NAME": self.name}
        with patch.dict(os.environ, self._variables):
            self._handler = _load(as_text(resource.properties["Handler"]))

    @property
    def session_arn(self) -> str:
        """Return who the function is to AWS: a session of its role, named like the function."""
        partition, account, role = self.role_arn.split(":")[1], self.role_arn.split(":")[4], self.role_arn
        return f"arn:{partition}:sts::{account}:assumed-role/{role.rpartition('/')[2]}/{self.name}"

    def new_context(self) -> Context:
        """Return the context of a new invocation; its attempts share the request id."""
        return Context(
            function_name=self.name,
            invoked_function_arn=self.arn,
            memory_limit_in_mb=self._memory,
            timeout_seconds=self._timeout,
            aws_request_id=str(uuid.uuid4()),
            log_group_name=self._log_group,
        )

    def attempt(self, event: Fields, context: Context) -> Attempt:
        """Run the handler once, in the function's environment. Never raises for what the handler raises."""
        payload = json.loads(json.dumps(event))
        output = io.StringIO()
        with patch.dict(os.environ, self._variables), _captured(output):
            try:
                answer = self._handler(payload, context)
                json.dumps(answer)
            except Exception as error:  # noqa: BLE001 - Lambda counts whatever a handler raises
                return Attempt(error=error, output=output.getvalue())
        return Attempt(answer=answer, output=output.getvalue())


def _actions(stack: Stack, role_arn: str) -> Iterator[str]:
    """Yield the actions that the stack lets a role take, on whatever and under whatever condition."""
    for resource in stack.resources.values():
        own = resource.type == "AWS::IAM::Role"
        if own and stack.resolve({"Fn::GetAtt": [resource.logical_id, "Arn"]}) == role_arn:
            for statement in stack.role_statements(resource.logical_id):
                actions = statement["Action"]
                yield from map(as_text, actions if isinstance(actions, list) else [actions])


def _load(handler: str) -> Callable[[object, Context], object]:
    """Return the handler of `package.module.function`, imported as a new process would."""
    module_name, _, function_name = handler.rpartition(".")
    kept = {name: sys.modules.pop(name) for name in tuple(sys.modules) if name.startswith(_PER_PROCESS)}
    try:
        loaded: Callable[[object, Context], object] = getattr(importlib.import_module(module_name), function_name)
        return loaded
    finally:
        for name in tuple(sys.modules):
            if name.startswith(_PER_PROCESS):
                del sys.modules[name]
        for name, module in kept.items():
            sys.modules[name] = module
            package, _, leaf = name.rpartition(".")
            setattr(sys.modules[package], leaf, module)


@contextmanager
def _captured(output: io.StringIO) -> Iterator[None]:
    """Catch what a function prints and logs: a Powertools logger holds on to the stream that it began with."""
    with ExitStack() as exits:
        for logger in logging.Logger.manager.loggerDict.values():
            handler = getattr(logger, "powertools_handler", None)
            if isinstance(handler, logging.StreamHandler):
                exits.enter_context(patch.object(handler, "stream", output))
        exits.enter_context(contextlib.redirect_stdout(output))
        exits.enter_context(contextlib.redirect_stderr(output))
        yield
