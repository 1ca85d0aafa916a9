"""Invalid events: real ones with broken parts, and arbitrary JSON."""

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from hypothesis import strategies as st

from support.factories import ROOT_OF_THE_PROJECT, stream_record
from support.teardown import STACK, request_event

# A log must not contain SECRET. A log line that contains all of ENDLESS is too long.
SECRET: Final = "wJalrXUtnFEMI-K7MDENG-SECRET"
ENDLESS: Final = "x" * 300_000

_EXEMPTION: Final = {
    "user_name": "ci",
    "owner": "platform",
    "reason": "build machine",
    "created_by": "bob",
    "expires_at": "2099-01-01T00:00:00Z",
}
_OTHER_EVENTS: Final[tuple[Mapping[str, Any], ...]] = (
    {"Records": [stream_record("INSERT", {"user_id": "AIDA1", **_EXEMPTION})]},
    {"Records": [stream_record("REMOVE", None, old={"user_id": "AIDA2", **_EXEMPTION})] * 2},
    {"id": "sweep-1", "source": "mfa-guard", "detail-type": "Sweep requested", "detail": {"mode": "audit", "round": 2}},
    {"id": "sweep-2", "source": "mfa-guard", "detail-type": "Sweep requested", "detail": {}},
    *(
        {**request_event(kind), "StackId": STACK.arn, "ResponseURL": f"{request_event()['ResponseURL']}&X-Sig={SECRET}"}
        for kind in ("Create", "Update", "Delete")
    ),
)
_RECORDED_EVENTS: Final = tuple(
    json.loads(path.read_text()) for path in sorted((ROOT_OF_THE_PROJECT / "events").glob("*.json"))
)

_UNUSUAL_VALUES: Final[tuple[object, ...]] = (
    None,
    True,
    0,
    -1,
    1e308,
    2**70,
    "",
    " ",
    "AWS ROOT USER",
    "alice\nbob",
    "\u202eevil",
    "\ud800",
    "a" * 65,
    "2026-13-01T00:00:00Z",
    "0001-01-01T00:00:00+23:59",
    "https://example.com/",
    ENDLESS,
    [],
    {},
    [[]],
    {"S": {"S": {}}},
    {"userName": "alice", "password": SECRET, "secretAccessKey": SECRET},
)
_texts = st.text(max_size=12)
_anything = st.recursive(
    st.sampled_from(_UNUSUAL_VALUES) | _texts | st.integers() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=5,
)


def _paths(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if path:
        yield path
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        yield from _paths(each, (*path, key))


_RECORDS: Final = tuple((base, tuple(_paths(base))) for base in _RECORDED_EVENTS)
_REQUESTS: Final = tuple((base, tuple(_paths(base))) for base in _OTHER_EVENTS)
_ALL_PATHS: Final = tuple(dict.fromkeys(path for _, paths in (*_RECORDS, *_REQUESTS) for path in paths))


@st.composite
def _broken(draw: st.DrawFn, bases: tuple[tuple[Mapping[str, Any], tuple[tuple[str | int, ...], ...]], ...]) -> object:
    base, paths = draw(st.sampled_from(bases))
    event = copy.deepcopy(dict(base))
    for _ in range(draw(st.integers(0, 4))):
        path = draw(st.sampled_from(paths)) if draw(st.booleans()) else draw(st.sampled_from(_ALL_PATHS))
        _break(draw, event, path)
    return event


def _break(draw: st.DrawFn, event: object, path: tuple[str | int, ...]) -> None:
    """Replace, remove, or add a value at a path, if the path exists."""
    holder: Any = event
    for key in path[:-1]:
        if not _has(holder, key):
            return
        holder = holder[key]
    last = path[-1]
    if isinstance(holder, dict) and isinstance(last, str) and draw(st.booleans()):
        holder.pop(last, None)
    elif (isinstance(holder, dict) and isinstance(last, str)) or _has(holder, last):
        holder[last] = draw(_anything)


def _has(holder: object, key: str | int) -> bool:
    if isinstance(holder, list):
        return isinstance(key, int) and key < len(holder)
    return isinstance(holder, dict) and key in holder


events: Final = st.one_of(
    _broken(_RECORDS), _broken(_RECORDS), _broken(_REQUESTS), st.dictionaries(_texts, _anything, max_size=4) | _anything
)
