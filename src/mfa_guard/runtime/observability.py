"""The log, the metrics and the settings of a function.

The settings are read at every invocation, which costs microseconds: a wrong variable is an error that Lambda counts,
instead of a function that cannot start.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, TypeAlias

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from mfa_guard.core.metrics import Metric
from mfa_guard.core.sanitize import sanitize
from mfa_guard.core.settings import Settings, parse_settings
from mfa_guard.runtime.telemetry import PowertoolsTelemetry

# The alarms and the dashboard of the template look for this service and namespace.
LOGGER: Final = Logger(service="mfa-guard")
METRICS: Final = Metrics(namespace="MfaGuard", service="mfa-guard")
TELEMETRY: Final = PowertoolsTelemetry(LOGGER, METRICS)

HandlerResult: TypeAlias = dict[str, object]


def read_settings() -> Settings:
    """Return the settings in this function's environment; raises SettingsError."""
    return parse_settings(os.environ)


def name_delivery(event: object, key: str = "id") -> None:
    """Put the delivery's id into every log line, cut to a bounded length: the sender of a forged event chooses it."""
    delivery = event.get(key) if isinstance(event, Mapping) else None
    LOGGER.set_correlation_id(sanitize(delivery) if isinstance(delivery, str) else "")


def count_event() -> None:
    """Count an invocation, so that each one has a metric to flush: Powertools warns about an empty flush."""
    METRICS.add_metric(name="EventsReceived", unit=MetricUnit.Count, value=1)


@contextmanager
def count_not_understood(error: type[ValueError]) -> Iterator[None]:
    """Count and log `error` before it goes on to Lambda, which sends the event to the dead-letter queue in the end."""
    try:
        yield
    except error as problem:
        TELEMETRY.count(Metric.EVENTS_NOT_UNDERSTOOD)
        TELEMETRY.warning("Event not understood", problem=str(problem))
        raise
