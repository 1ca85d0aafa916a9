"""Hold a record that the local account wrote against the one in events/, field by field."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

Fields = Mapping[str, object]

_MESSAGE: Final = "detail.errorMessage"
# What differs from one call to the next, and how it is written all the same.
_FORMS: Final[Mapping[str, re.Pattern[str]]] = {
    "id": re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    "DynamoDB's id": re.compile(r"[0-9A-Z]{52}"),
    "time": re.compile(r"[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}Z"),
    "time with fractions": re.compile(r"[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}\.000\+0000"),
    "local time": re.compile(r"[A-Z][a-z]{2} [1-9][0-9]?, [0-9]{4}, (1[0-2]|[1-9])(:[0-9]{2}){2} [AP]M"),
    "address": re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){3}"),
    "user's id": re.compile(r"AIDA[A-Z0-9]{12,17}"),
    "role session's id": re.compile(r"AROA[A-Z0-9]{12,17}:\S+"),
    "role's id": re.compile(r"AROA[A-Z0-9]{12,17}"),
    "access key": re.compile(r"AKIA[A-Z0-9]{12,17}"),
    "session's key": re.compile(r"ASIA[A-Z0-9]{12,17}"),
}


def differences(recorded: Fields, written: Fields) -> Mapping[str, str]:
    """Return where two envelopes differ, by path: in a field, a type, or a value that is not made anew by each call."""
    found = dict(_differences(recorded, written, ""))
    # The services' own words are nobody's contract.
    if _said(recorded) and _said(written):
        found.pop(_MESSAGE, None)
    return found


def _said(envelope: Fields) -> bool:
    detail = envelope["detail"]
    return isinstance(detail, Mapping) and isinstance(detail.get("errorMessage"), str)


def _differences(recorded: object, written: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(recorded, Mapping) and isinstance(written, Mapping):
        for key in sorted(recorded.keys() | written.keys()):
            below = f"{path}.{key}".lstrip(".")
            if key not in written:
                yield below, f"AWS has it: {recorded[key]!r}"
            elif key not in recorded:
                yield below, f"AWS has it not: {written[key]!r}"
            else:
                yield from _differences(recorded[key], written[key], below)
    elif isinstance(recorded, list) and isinstance(written, list) and len(recorded) == len(written):
        for number, (one, other) in enumerate(zip(recorded, written, strict=True)):
            yield from _differences(one, other, f"{path}.{number}")
    elif type(recorded) is not type(written) or _form(recorded) != _form(written):
        yield path, f"AWS has {recorded!r}, here it is {written!r}"


def _form(value: object) -> object:
    if not isinstance(value, str):
        return value
    return next((name for name, pattern in _FORMS.items() if pattern.fullmatch(value)), value)
