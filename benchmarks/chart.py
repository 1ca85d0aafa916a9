"""The results as one chart: the figures of Cloud Custodian as multiples of mfa-guard's, on a logarithmic scale."""

from collections.abc import Iterator
from math import log10
from typing import Final
from xml.sax.saxutils import escape

from benchmarks.report import Row, rows
from benchmarks.results import Results

_SHOWN: Final = (
    ("steady sweep", "IAM calls", 0, "IAM calls, steady sweep of 1,000 users"),
    ("steady sweep", "wall s", 20, "time, steady sweep, 20 ms a call"),
    ("first sweep", "IAM calls", 0, "IAM calls, first sweep of 1,000 users"),
    ("first sweep", "wall s", 20, "time, first sweep, 20 ms a call"),
    ("first sweep", "CPU s", 0, "CPU, first sweep"),
    ("one CreateUser", "warm CPU ms", 0, "CPU, one CreateUser event, warm"),
    ("one CreateUser", "warm wall ms", 20, "time, one event, warm, 20 ms a call"),
    ("one CreateUser", "cold wall ms", 0, "time, one event, cold"),
    ("steady sweep", "peak MiB", 0, "peak memory, steady sweep"),
    ("one CreateUser", "cold wall ms", 20, "time, one event, cold, 20 ms a call"),
    ("one CreateUser", "calls an event", 0, "AWS calls, one event"),
    ("one function's zip", "MiB", 0, "size of one function's zip"),
)
_LEFT, _WIDTH, _ROW, _TOP = 270, 720, 26, 44
_MIN, _MAX = 0.1, 300.0

_STYLE: Final = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 } .small { font-size: 11px; fill: #59636e }
.grid { stroke: #d1d9e0 } .one { stroke: #59636e } .more { fill: #1a7f37 } .less { fill: #9a6700 }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc } .small { fill: #9198a1 } .grid { stroke: #3d444d } .one { stroke: #9198a1 }
.more { fill: #3fb950 } .less { fill: #d29922 } }
"""


_HEAD: Final = "Cloud Custodian relative to mfa-guard: right of 1x, mfa-guard needs less"


def chart(results: Results) -> str:
    """Return the chart as SVG that follows the light or dark color scheme of the reader."""
    found = {(row.work, row.figure, row.latency_ms): row for row in rows(results) if row.users <= results.sizes[0]}
    bars = [(label, found[work, figure, latency]) for work, figure, latency, label in _SHOWN]
    bottom = _TOP + _ROW * len(bars)
    versions = (
        f"Cloud Custodian {results.versions['Cloud Custodian']}; Python {results.versions['Python']}; {results.date}"
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {bottom + 44}" role="img">',
        "<title>The figures of Cloud Custodian as multiples of mfa-guard's</title>",
        f"<style>{_STYLE}</style>",
        f'<text x="8" y="20">{escape(_HEAD)}</text>',
        *_grid(bottom),
        *(part for number, (label, row) in enumerate(bars) for part in _bar(_TOP + _ROW * number, label, row)),
        f'<text class="small" x="8" y="{bottom + 36}">{escape(versions)}</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _grid(bottom: int) -> Iterator[str]:
    for value in (0.1, 1, 10, 100):
        x = _x(value)
        kind = "one" if value == 1 else "grid"
        yield f'<line class="{kind}" x1="{x:.0f}" x2="{x:.0f}" y1="{_TOP - 8}" y2="{bottom}"/>'
        yield f'<text class="small" x="{x:.0f}" y="{bottom + 15}" text-anchor="middle">{value:g}x</text>'


def _bar(y: int, label: str, row: Row) -> Iterator[str]:
    times = 1 / row.ratio if row.ratio else 1.0
    ends = sorted((_x(1), _x(min(max(times, _MIN), _MAX))))
    kind = "more" if times >= 1 else "less"
    yield f'<text x="8" y="{y + 14}">{escape(label)}</text>'
    width = max(1.0, ends[1] - ends[0])
    yield f'<rect class="{kind}" x="{ends[0]:.1f}" y="{y + 2}" width="{width:.1f}" height="16" rx="2"/>'
    yield f'<text class="small" x="{ends[1] + 5:.1f}" y="{y + 14}">{times:.3g}x</text>'


def _x(value: float) -> float:
    share = (log10(value) - log10(_MIN)) / (log10(_MAX) - log10(_MIN))
    return _LEFT + share * (_WIDTH - _LEFT - 40)
