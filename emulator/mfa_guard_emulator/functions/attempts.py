"""How one run of a function ended, and what it printed."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

_METRICS_KEY: Final = "_aws"


@dataclass(frozen=True)
class FunctionError(Exception):
    """What a function raised, or why its process ended, as Lambda reports it."""

    type: str
    message: str
    trace: tuple[str, ...] = ()

    @classmethod
    def of(cls, reported: object) -> "FunctionError":
        """Return the error in what a runtime reports."""
        fields = reported if isinstance(reported, Mapping) else {}
        trace = fields.get("stackTrace")
        return cls(
            type=str(fields.get("errorType", "Unknown")),
            message=str(fields.get("errorMessage", reported)),
            trace=tuple(map(str, trace)) if isinstance(trace, list) else (),
        )

    def __str__(self) -> str:
        """Return the error as text."""
        return f"{self.type}: {self.message}"


@dataclass(frozen=True)
class Attempt:
    """One run of a handler: its answer or its error, and what it printed."""

    answer: object = None
    error: FunctionError | None = None
    output: str = ""

    def sums(self) -> Counter[str]:
        """Return the sum of each metric in the output. CloudWatch reads the metrics from the same output."""
        sums: Counter[str] = Counter()
        for name, values in self._metrics():
            sums[name] += int(sum(values))
        return sums

    def newest(self) -> Mapping[str, float]:
        """Return the newest value of each metric in the output."""
        return {name: values[-1] for name, values in self._metrics()}

    def _metrics(self) -> Iterator[tuple[str, Sequence[float]]]:
        for line in self.output.splitlines():
            entry = json.loads(line) if line.startswith("{") else {}
            for directive in entry.get(_METRICS_KEY, {}).get("CloudWatchMetrics", []):
                for metric in directive["Metrics"]:
                    value = entry[metric["Name"]]
                    yield metric["Name"], value if isinstance(value, list) else [value]
