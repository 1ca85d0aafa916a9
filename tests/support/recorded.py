"""Compare a record that the local account wrote with the one in events/, field by field."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

Fields = Mapping[str, object]

_MESSAGE: Final = "detail.errorMessage"
# The formats of values that differ from call to call.
_FORMATS: Final[Mapping[str, re.Pattern[str]]] = {
    "id": re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    "DynamoDB's id": re.compile(r"[0-9A-Z]{52}"),
    "time": re.compile(r"[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}Z"),
    "time with fractions": re.compile(r"[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}\.000\+0000"),
    "local time": re.compile(r"[A-Z][a-z]{2} [1-9][0-9]?, [0-9]{4}, (1[0-2]|[1-9])(:[0-9]{2}){2} [AP]M"),
    "address": re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){3}"),
    "user's id": re.compile(r"AIDA[A-Z0-9]{12,17}"),
    "role session's id": re.compile(r"AROA[A-Z0-9]{12,17}:\S+"),
    "role's id": re.compile(r"AROA[A-Z0-9]{12,17}"),
    "service-specific credential's id": re.compile(r"ACCA[A-Z0-9]{12,17}"),
    "SSH key's id": re.compile(r"APKA[A-Z0-9]{12,17}"),
    "certificate's id": re.compile(r"[A-Z0-9]{32}"),
    "fingerprint": re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){15}"),
    "access key": re.compile(r"AKIA[A-Z0-9]{12,17}"),
    "session's key": re.compile(r"ASIA[A-Z0-9]{12,17}"),
}


def differences(recorded: Fields, written: Fields) -> Mapping[str, str]:
    """Return the differences of two envelopes by path, except for values that differ from call to call."""
    found = dict(_differences(recorded, written, ""))
    # The wording of error messages is not part of any contract.
    if _has_message(recorded) and _has_message(written):
        found.pop(_MESSAGE, None)
    return found


def _has_message(envelope: Fields) -> bool:
    detail = envelope["detail"]
    return isinstance(detail, Mapping) and isinstance(detail.get("errorMessage"), str)


def _differences(recorded: object, written: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(recorded, Mapping) and isinstance(written, Mapping):
        for key in sorted(recorded.keys() | written.keys()):
            below = f"{path}.{key}".lstrip(".")
            if key not in written:
                yield below, f"only AWS has {recorded[key]!r}"
            elif key not in recorded:
                yield below, f"AWS does not have {written[key]!r}"
            else:
                yield from _differences(recorded[key], written[key], below)
    elif isinstance(recorded, list) and isinstance(written, list) and len(recorded) == len(written):
        for number, (one, other) in enumerate(zip(recorded, written, strict=True)):
            yield from _differences(one, other, f"{path}.{number}")
    elif type(recorded) is not type(written) or _format(recorded) != _format(written):
        yield path, f"AWS has {recorded!r}, the local account has {written!r}"


def _format(value: object) -> object:
    if not isinstance(value, str):
        return value
    return next((name for name, pattern in _FORMATS.items() if pattern.fullmatch(value)), value)
