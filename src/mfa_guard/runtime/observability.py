"""What every function has once per process: the log, the metrics, its settings.

Settings are read at every invocation: that costs microseconds, and a wrong variable is an error that Lambda counts
instead of a function that cannot start.
"""

import os
from collections.abc import Mapping
from typing import Final, TypeAlias

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from mfa_guard.core.sanitize import sanitize
from mfa_guard.core.settings import Settings, parse_settings
from mfa_guard.runtime.telemetry import PowertoolsTelemetry

# The alarms and the dashboard of the template look for this service and namespace.
LOGGER: Final = Logger(service="mfa-guard")
METRICS: Final = Metrics(namespace="MfaGuard", service="mfa-guard")
TELEMETRY: Final = PowertoolsTelemetry(LOGGER, METRICS)

Answer: TypeAlias = dict[str, object]


def settings() -> Settings:
    """Return the settings of this function's environment; raises SettingsError."""
    return parse_settings(os.environ)


def name_delivery(event: object, key: str = "id") -> None:
    """Let every log line carry the delivery's id, bounded: whoever forges an event chooses it."""
    delivery = event.get(key) if isinstance(event, Mapping) else None
    LOGGER.set_correlation_id(sanitize(delivery) if isinstance(delivery, str) else "")


def count_event() -> None:
    """Count an invocation, so that every one of them has something to flush: Powertools warns of an empty flush."""
    METRICS.add_metric(name="EventsReceived", unit=MetricUnit.Count, value=1)
