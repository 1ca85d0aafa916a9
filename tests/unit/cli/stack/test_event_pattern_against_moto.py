"""The matcher agrees with moto's, wherever moto agrees with EventBridge.

Left out, because moto departs from EventBridge there: arrays of objects and arrays in arrays, empty objects and arrays
(they are no leaves), booleans beside numbers (for moto true is 1), line breaks under a wildcard.
"""

from hypothesis import assume, example, given
from hypothesis import strategies as st
from moto.events.models import EventPattern

from mfa_guard_cli.stack.event_pattern import PatternError, compile_pattern, index
from mfa_guard_cli.stack.template import Rule

Fields = dict[str, object]

keys = st.sampled_from(["a", "b", "c"])
texts = st.sampled_from(["", "x", "xy", "XY", "yx", "xyx", "x*y", "x.y", "192.0.2.7", "198.51.100.7"])
scalars: st.SearchStrategy[object] = st.one_of(texts, st.integers(2, 5), st.none())
leaves = st.one_of(scalars, st.lists(scalars, min_size=1, max_size=3))
events: st.SearchStrategy[Fields] = st.dictionaries(
    keys,
    st.recursive(leaves, lambda inner: st.dictionaries(keys, inner, min_size=1, max_size=3), max_leaves=6),
    max_size=3,
)

wildcards = st.sampled_from(["*", "x*", "*y", "x*y", "*x*y*", "xy*yx", "x\\*y", "x.y"])
some_texts = st.lists(texts, min_size=1, max_size=2)
nonempty = texts.filter(bool)
some_nonempty = st.lists(nonempty, min_size=1, max_size=2)
folded = st.builds(lambda text: {"equals-ignore-case": text}, texts)
comparisons = st.tuples(st.sampled_from(["<", "<=", "=", ">=", ">"]), st.integers(2, 5)).map(list)
ranges = st.tuples(
    st.sampled_from([">", ">="]), st.integers(2, 3), st.sampled_from(["<", "<="]), st.integers(4, 5)
).map(list)


def operator(name: str, argument: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return argument.map(lambda value: {name: value})


filters = st.one_of(
    scalars,
    operator("exists", st.booleans()),
    operator("prefix", texts | folded),
    operator("suffix", texts | folded),
    operator("equals-ignore-case", texts),
    operator("wildcard", wildcards),
    operator("cidr", st.sampled_from(["192.0.2.0/24", "2001:db8::/32"])),
    operator("numeric", comparisons | ranges),
    operator("anything-but", texts | st.integers(2, 5) | some_texts),
    operator("anything-but", operator("prefix", nonempty | some_nonempty)),
    operator("anything-but", operator("suffix", nonempty | some_nonempty)),
    operator("anything-but", operator("equals-ignore-case", texts | some_texts)),
    operator("anything-but", operator("wildcard", wildcards)),
)
fields = st.recursive(
    st.dictionaries(keys, st.lists(filters, min_size=1, max_size=3), min_size=1, max_size=2),
    lambda inner: st.one_of(
        st.dictionaries(keys, inner, min_size=1, max_size=2),
        st.lists(inner, min_size=2, max_size=3).map(lambda alternatives: {"$or": alternatives}),
        st.tuples(inner, inner).map(lambda pair: {**pair[0], "$or": [pair[1], {"c": [{"exists": False}]}]}),
    ),
    max_leaves=6,
)


@given(pattern=fields, event=events)
@example(pattern={"a": {"$or": [{"b": [{"exists": False}]}, {"b": ["x"]}]}}, event={"a": {"b": "y"}})
def test_moto_and_the_matcher_agree(pattern: Fields, event: Fields) -> None:
    try:
        matches = compile_pattern(pattern)
    except PatternError as error:
        assume("is inside and outside of $or" not in str(error))
        raise
    assert matches(event) == EventPattern(None, pattern).matches_event(event)  # type: ignore[arg-type]


routed_names = st.sampled_from(["x", "xy", "yx"])
routable = st.fixed_dictionaries(
    {}, optional={"source": routed_names, "detail": st.fixed_dictionaries({}, optional={"eventName": routed_names})}
)
exact = st.lists(routed_names, min_size=1, max_size=2)
open_or_exact = st.one_of(exact, st.just([{"prefix": "x"}]), st.just([{"exists": False}]))
name_patterns = st.one_of(
    st.builds(lambda name: {"eventName": name}, open_or_exact),
    st.builds(lambda one, other: {"$or": [{"eventName": one}, {"eventName": other}]}, open_or_exact, open_or_exact),
    st.builds(lambda one: {"$or": [{"eventName": one}, {"errorCode": [{"exists": False}]}]}, open_or_exact),
)
rule_patterns = st.fixed_dictionaries({"detail": name_patterns}, optional={"source": open_or_exact})


@given(patterns=st.lists(rule_patterns, max_size=4), event=routable)
def test_the_index_never_changes_the_answer(patterns: list[Fields], event: Fields) -> None:
    rules = [Rule(str(number), "", pattern, (), enabled=True) for number, pattern in enumerate(patterns)]
    expected = tuple(rule for rule in rules if compile_pattern(rule.pattern)(event))
    assert index(rules)(event) == expected
