"""Match events against EventBridge patterns. Each pattern is compiled once.

Patterns: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html. Where that page is
silent, the module follows EventBridge's engine, https://github.com/aws/event-ruler.

Two limits are not checked here: the size of a pattern, which is an adjustable quota, and the complexity of wildcards,
because AWS does not say how EventBridge counts it.
"""

import ipaddress
import operator
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, Final, TypeAlias, TypeGuard

if TYPE_CHECKING:
    from mfa_guard_cli.stack.template import Rule

Fields: TypeAlias = Mapping[str, object]
Matcher: TypeAlias = Callable[[Fields], bool]
_Path: TypeAlias = tuple[str, ...]
_Test: TypeAlias = Callable[[object], bool]
# A check of one part of a pattern. It gets the object at that place and the whole event.
_Check: TypeAlias = Callable[[Fields, Fields], bool]

_OR: Final = "$or"
_NOTHING: Final[Fields] = {}
_FEWEST_ALTERNATIVES: Final = 2
_MOST_COMBINATIONS: Final = 1000
_LARGEST_NUMBER: Final = 5e9
_LARGEST_MASK: Final[Mapping[int, int]] = {4: 31, 6: 127}
# Field names that EventBridge refuses inside $or, because they are operators or could become some.
_RESERVED: Final = frozenset(
    (
        *("anything-but", "cidr", "equals-ignore-case", "exactly", "exists", "numeric", "prefix", "suffix", "wildcard"),
        *("=", "<", "<=", ">", ">=", "regex", "not-wildcard", "not-equals-ignore-case"),
        *("date-after", "date-on-or-after", "date-before", "date-on-or-before", "in-date-range"),
        *("ip-address-in-range", "ip-address-not-in-range"),
    )
)


class PatternError(ValueError):
    """EventBridge would refuse the pattern, or would read it differently than it looks. The text is one sentence."""


def compile_pattern(pattern: object) -> Matcher:
    """Return a function that returns whether an event matches the pattern.

    Raises PatternError for a pattern that EventBridge would refuse.
    """
    matches = _compile_object(pattern, ())
    if isinstance(pattern, dict) and _combinations(pattern) > _MOST_COMBINATIONS:
        raise PatternError(f"The pattern has more than {_MOST_COMBINATIONS:,} combinations of the alternatives in $or.")
    return lambda event: matches(event, event)


def index(rules: Iterable["Rule"]) -> Callable[[Fields], tuple["Rule", ...]]:
    """Return a function that returns the rules that an event matches, in the given order.

    It tries only candidates. Raises PatternError.
    """
    rules = tuple(rules)
    matchers = {rule.logical_id: compile_pattern(rule.pattern) for rule in rules}
    tried = candidates(rules)
    return lambda event: tuple(rule for rule in tried(event) if matchers[rule.logical_id](event))


def candidates(rules: Iterable["Rule"]) -> Callable[[Fields], tuple["Rule", ...]]:
    """Return a function that returns the rules that an event can match, by `source` and `detail.eventName` alone."""
    rules = tuple(rules)
    places: dict[tuple[str | None, str | None], list[int]] = defaultdict(list)
    for position, rule in enumerate(rules):
        for source in _literals(rule.pattern, ("source",)) or (None,):
            for name in _literals(rule.pattern, ("detail", "eventName")) or (None,):
                places[source, name].append(position)

    def candidates_for(event: Fields) -> tuple["Rule", ...]:
        detail = event.get("detail")
        source, name = event.get("source"), detail.get("eventName") if isinstance(detail, dict) else None
        # Missing fields and arrays are rare, and any rule can match them.
        if not isinstance(source, str) or not isinstance(name, str):
            return rules
        keys = ((source, name), (source, None), (None, name), (None, None))
        return tuple(rules[position] for position in sorted(each for key in keys for each in places.get(key, ())))

    return candidates_for


def _literals(pattern: Fields, path: _Path) -> frozenset[str] | None:
    """Return the only strings that the pattern allows in the field, or None if it allows others."""
    field = pattern.get(path[0])
    if len(path) > 1 and isinstance(field, dict) and (found := _literals(field, path[1:])) is not None:
        return found
    if len(path) == 1 and isinstance(field, Sequence) and all(isinstance(value, str) for value in field):
        return frozenset(field)
    if alternatives := pattern.get(_OR):
        each = [_literals(alternative, path) for alternative in _objects_only(alternatives, _OR)]
        if all(each):
            return frozenset[str]().union(*(literals for literals in each if literals))
    return None


def _compile_object(pattern: object, path: _Path, *, alternative: bool = False) -> _Check:
    if not isinstance(pattern, dict) or not pattern:
        raise PatternError(f"{_spell(path)} must be an object with at least one field.")
    if alternative and (reserved := sorted(_RESERVED & pattern.keys())):
        raise PatternError(f"{_spell((*path, reserved[0]))} is in $or, where its name is reserved.")
    checks = tuple(
        _compile_alternatives(value, path)
        if key == _OR
        else _compile_field(key, value, (*path, key), alternative=alternative)
        for key, value in pattern.items()
    )
    _refuse_overlap(pattern, path)
    return lambda fields, event: all(check(fields, event) for check in checks)


def _compile_alternatives(alternatives: object, path: _Path) -> _Check:
    checks = tuple(_compile_object(each, path, alternative=True) for each in _objects_only(alternatives, _spell(path)))
    return lambda fields, event: any(check(fields, event) for check in checks)


def _refuse_overlap(pattern: Fields, path: _Path) -> None:
    """Raise PatternError for a field inside and outside of $or: EventBridge keeps only what is said last about it."""
    inside = {*_paths({key: value for key, value in pattern.items() if key == _OR}, path)}
    outside = {*_paths({key: value for key, value in pattern.items() if key != _OR}, path)}
    if inside & outside:
        raise PatternError(f"{_spell(min(inside & outside))} is inside and outside of $or.")


def _paths(pattern: Fields, path: _Path) -> Iterator[_Path]:
    """Yield each field of a compiled pattern that has values to match, at any depth."""
    for key, value in pattern.items():
        if key == _OR and isinstance(value, list):
            for alternative in value:
                yield from _paths(alternative, path)
        elif isinstance(value, dict):
            yield from _paths(value, (*path, key))
        else:
            yield (*path, key)


def _combinations(pattern: Fields) -> int:
    """Return the product of the lengths of every $or of a compiled pattern, at any depth."""
    product = 1
    for key, value in pattern.items():
        inner = value if key == _OR and isinstance(value, list) else [value]
        product *= len(inner) * prod(_combinations(each) for each in inner if isinstance(each, dict))
    return product


def _compile_field(key: str, value: object, path: _Path, *, alternative: bool) -> _Check:
    if isinstance(value, dict):
        inner = _compile_object(value, path, alternative=alternative)
        # One element of an array must match the whole inner pattern, as EventBridge keeps arrays consistent.
        return lambda fields, event: any(inner(child, event) for child in _children(fields.get(key)))
    if not isinstance(value, list) or not value:
        raise PatternError(f"{_spell(path)} must be an object, or an array with at least one value to match.")
    tests = tuple(_compile_test(each, path) for each in value if not _is_exists(each))
    exists = tuple(each["exists"] for each in value if _is_exists(each))
    present, absent = True in exists, False in exists

    def check(fields: Fields, event: Fields) -> bool:
        values = tuple(_leaves(fields.get(key, _NOTHING)))
        return (
            (present and bool(values))
            or any(test(leaf) for leaf in values for test in tests)
            # Absent means absent in the whole event: another element of the same array can have the field.
            or (absent and not values and not any(True for _ in _leaves_at(event, path)))
        )

    return check


def _is_exists(each: object) -> bool:
    return isinstance(each, dict) and len(each) == 1 and isinstance(each.get("exists"), bool)


def _compile_test(value: object, path: _Path) -> _Test:
    if not isinstance(value, dict):
        return _exact(value, path)
    if len(value) != 1:
        raise PatternError(f"{_spell(path)} must have one operator in each of its objects.")
    [(name, argument)] = value.items()
    compile_operator = _OPERATORS.get(name)
    if compile_operator is None:
        raise PatternError(f"{_spell(path)} uses the operator {name!a}, which is unknown or has a wrong value.")
    return compile_operator(argument, path)


def _exact(value: object, path: _Path) -> _Test:
    if not isinstance(value, str | int | float | None):
        raise PatternError(f"{_spell(path)} has a value that is neither a string, a number, a boolean nor null.")
    # EventBridge compares spellings, so 1, 1.0 and true are three values. In Python they are equal.
    kind = type(value)
    return lambda leaf: type(leaf) is kind and leaf == value


def _anything_but(argument: object, path: _Path) -> _Test:
    if isinstance(argument, dict):
        if len(argument) != 1 or not argument.keys() <= _TEXT_TESTS.keys():
            raise PatternError(f"{_spell(path)} uses anything-but with an operator that it does not allow.")
        [(name, inner)] = argument.items()
        listed = _listed(inner, path)
        if not all(isinstance(each, str) and (each or name not in _AFFIXES) for each in listed):
            raise PatternError(f"{_spell(path)} uses anything-but and {name} with something that is not a text.")
        unwanted = tuple(_TEXT_TESTS[name](each, path) for each in listed)
    else:
        listed = _listed(argument, path)
        if not all(isinstance(each, str) for each in listed) and not all(map(_is_number, listed)):
            raise PatternError(f"{_spell(path)} uses anything-but with values that are not all strings or all numbers.")
        unwanted = tuple(_exact(each, path) for each in listed)
    return lambda leaf: not any(test(leaf) for test in unwanted)


def _listed(argument: object, path: _Path) -> Sequence[object]:
    listed = argument if isinstance(argument, list) else [argument]
    if not listed:
        raise PatternError(f"{_spell(path)} uses anything-but with an empty array.")
    return listed


def _affix(name: str, found: Callable[[str, str], bool]) -> Callable[[object, _Path], _Test]:
    def compile_affix(argument: object, path: _Path) -> _Test:
        if isinstance(argument, dict) and argument.keys() == {"equals-ignore-case"}:
            folded = _text(argument["equals-ignore-case"], name, path).lower()
            return lambda leaf: isinstance(leaf, str) and found(leaf.lower(), folded)
        text = _text(argument, name, path)
        return lambda leaf: isinstance(leaf, str) and found(leaf, text)

    return compile_affix


def _exactly(argument: object, path: _Path) -> _Test:
    return _exact(_text(argument, "exactly", path), path)


def _equals_ignore_case(argument: object, path: _Path) -> _Test:
    folded = _text(argument, "equals-ignore-case", path).lower()
    return lambda leaf: isinstance(leaf, str) and leaf.lower() == folded


def _wildcard(argument: object, path: _Path) -> _Test:
    text = _text(argument, "wildcard", path)
    letters = re.findall(r"\\[*\\]|[^\\]", text)
    if "".join(letters) != text:
        raise PatternError(f"{_spell(path)} has a wildcard with a backslash that is not before * or \\.")
    if ("*", "*") in pairwise(letters):
        raise PatternError(f"{_spell(path)} has a wildcard with two * in a row.")
    parts = [""]
    for letter in letters:
        if letter == "*":
            parts.append("")
        else:
            parts[-1] += letter[-1]
    if len(parts) == 1:
        return _exact(parts[0], path)
    first, *between, last = parts

    # Not a regular expression: strangers write the values, and this never backtracks.
    def covers(leaf: object) -> bool:
        if not isinstance(leaf, str) or not leaf.startswith(first):
            return False
        position = len(first)
        for part in between:
            found = leaf.find(part, position)
            if found < 0:
                return False
            position = found + len(part)
        return len(leaf) - len(last) >= position and leaf.endswith(last)

    return covers


_COMPARISONS: Final[Mapping[object, Callable[[float, float], bool]]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_FROM: Final = frozenset({">", ">="})
_TO: Final = frozenset({"<", "<="})


def _numeric(argument: object, path: _Path) -> _Test:
    if not isinstance(argument, list) or len(argument) not in (2, 4):
        raise PatternError(f"{_spell(path)} uses numeric without one or two comparisons.")
    signs, bounds = argument[::2], argument[1::2]
    if not all(isinstance(sign, str) and sign in _COMPARISONS for sign in signs) or not all(map(_is_number, bounds)):
        raise PatternError(f"{_spell(path)} uses numeric with something that is not a comparison.")
    if not all(map(_is_comparable, bounds)):
        raise PatternError(f"{_spell(path)} uses numeric with a number beyond {_LARGEST_NUMBER:,.0f}.")
    if len(bounds) > 1 and not (signs[0] in _FROM and signs[1] in _TO and bounds[0] < bounds[1]):
        raise PatternError(f"{_spell(path)} uses numeric with two comparisons that are not a lower and an upper bound.")
    pairs = tuple((_COMPARISONS[sign], bound) for sign, bound in zip(signs, bounds, strict=True))
    return lambda leaf: _is_comparable(leaf) and all(compare(leaf, bound) for compare, bound in pairs)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_comparable(value: object) -> TypeGuard[float]:
    return _is_number(value) and abs(value) <= _LARGEST_NUMBER


def _cidr(argument: object, path: _Path) -> _Test:
    text = _text(argument, "cidr", path)
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise PatternError(f"{_spell(path)} uses cidr with something that is not an address range.") from error
    if "/" not in text or network.prefixlen > _LARGEST_MASK[network.version]:
        raise PatternError(f"{_spell(path)} uses cidr with a single address, which is a plain value.")

    def contains(leaf: object) -> bool:
        try:
            return isinstance(leaf, str) and ipaddress.ip_address(leaf) in network
        except ValueError:
            return False

    return contains


_TEXT_TESTS: Final[Mapping[str, Callable[[object, _Path], _Test]]] = {
    "prefix": _affix("prefix", str.startswith),
    "suffix": _affix("suffix", str.endswith),
    "equals-ignore-case": _equals_ignore_case,
    "wildcard": _wildcard,
}
_AFFIXES: Final = frozenset({"prefix", "suffix"})
_OPERATORS: Final[Mapping[str, Callable[[object, _Path], _Test]]] = {
    **_TEXT_TESTS,
    "exactly": _exactly,
    "anything-but": _anything_but,
    "numeric": _numeric,
    "cidr": _cidr,
}


def _text(argument: object, name: str, path: _Path) -> str:
    if not isinstance(argument, str):
        raise PatternError(f"{_spell(path)} uses {name} without a string.")
    return argument


def _objects_only(value: object, place: str) -> Sequence[Fields]:
    if (
        not isinstance(value, list)
        or len(value) < _FEWEST_ALTERNATIVES
        or not all(isinstance(each, dict) for each in value)
    ):
        raise PatternError(f"{place} has a $or that is not an array of at least two objects.")
    return value


def _children(value: object) -> Iterator[Fields]:
    """Yield the object at a field, or the objects in its array, or one empty object if there are none."""
    if isinstance(value, dict):
        yield value
    elif objects := [each for each in _flat(value) if isinstance(each, dict)]:
        yield from objects
    else:
        yield _NOTHING


def _leaves(value: object) -> Iterator[object]:
    return (each for each in _flat(value) if not isinstance(each, dict))


def _leaves_at(fields: Fields, path: _Path) -> Iterator[object]:
    if len(path) == 1:
        yield from _leaves(fields.get(path[0], _NOTHING))
    else:
        for child in _children(fields.get(path[0])):
            yield from _leaves_at(child, path[1:])


def _flat(value: object) -> Iterator[object]:
    if isinstance(value, list):
        for each in value:
            yield from _flat(each)
    else:
        yield value


def _spell(path: _Path) -> str:
    return f"The pattern's field {'.'.join(path)}" if path else "The pattern"
