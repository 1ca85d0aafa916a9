"""The telemetry of the use cases, with Powertools."""

from typing import Final

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from mfa_guard.core.metrics import Gauge, Metric

_UNITS: Final = {Gauge.SWEEP_DURATION: MetricUnit.Seconds}


class PowertoolsTelemetry:
    """Metrics in CloudWatch's embedded metric format, and JSON log lines; see `mfa_guard.ports.Telemetry`."""

    def __init__(self, logger: Logger, metrics: Metrics) -> None:
        self._logger = logger
        self._metrics = metrics

    def count(self, metric: Metric, times: int = 1) -> None:
        """Add to `metric`."""
        self._metrics.add_metric(name=metric.value, unit=MetricUnit.Count, value=times)

    def gauge(self, gauge: Gauge, value: float) -> None:
        """Record a measurement."""
        self._metrics.add_metric(name=gauge.value, unit=_UNITS.get(gauge, MetricUnit.Count), value=value)

    def info(self, message: str, **data: object) -> None:
        """Log what happened."""
        self._logger.info(message, extra=data)

    def warning(self, message: str, **data: object) -> None:
        """Log what an administrator should look at."""
        self._logger.warning(message, extra=data)
