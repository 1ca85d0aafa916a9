"""How one run of a function ended, and what it printed."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

_METRICS_MARK: Final = "_aws"


@dataclass(frozen=True)
class FunctionError(Exception):
    """What a function raised, or what became of its process, as Lambda reports it."""

    type: str
    message: str
    trace: tuple[str, ...] = ()

    @classmethod
    def of(cls, told: object) -> "FunctionError":
        """Return the error in what a runtime reports."""
        fields = told if isinstance(told, Mapping) else {}
        trace = fields.get("stackTrace")
        return cls(
            type=str(fields.get("errorType", "Unknown")),
            message=str(fields.get("errorMessage", told)),
            trace=tuple(map(str, trace)) if isinstance(trace, list) else (),
        )

    def __str__(self) -> str:
        """Return it for a person."""
        return f"{self.type}: {self.message}"


@dataclass(frozen=True)
class Attempt:
    """One run of a handler: its answer or its error, and what it printed."""

    answer: object = None
    error: FunctionError | None = None
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
