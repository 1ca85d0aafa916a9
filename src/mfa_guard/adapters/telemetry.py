"""Powertools as the use cases see it."""

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from mfa_guard.ports import Metric


class PowertoolsTelemetry:
    """Counts in CloudWatch's embedded metric format and JSON log lines; see `mfa_guard.ports.Telemetry`."""

    def __init__(self, logger: Logger, metrics: Metrics) -> None:
        self._logger = logger
        self._metrics = metrics

    def count(self, metric: Metric) -> None:
        """Add one to `metric`."""
        self._metrics.add_metric(name=metric.value, unit=MetricUnit.Count, value=1)

    def info(self, message: str, **data: object) -> None:
        """Log what happened."""
        self._logger.info(message, extra=data)

    def warning(self, message: str, **data: object) -> None:
        """Log what somebody should look at."""
        self._logger.warning(message, extra=data)
