"""The parsers accept any record: they return a result, or raise what they declare."""

from hypothesis import given
from hypothesis import strategies as st

from mfa_guard.core.alerts import Alert, parse_alert
from mfa_guard.core.cloudtrail import (
    USER_NAME,
    Actor,
    EventNotUnderstood,
    SubjectKind,
    UserEvent,
    actor_of,
    parse_user_event,
    subject_of,
)
from support.factories import detail, long_term_key, role_identity, user_identity

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(
    ["CreateUser", "CreateAccessKey", "DeactivateMFADevice", "UpdateUser", "TagUser", "StopLogging"]
)
fields = st.sampled_from(
    ["eventID", "eventName", "eventSource", "eventTime", "userIdentity", "requestParameters", "responseElements"]
)
identities = st.sampled_from([user_identity(), role_identity(), long_term_key(), {"type": "Root"}]) | anything
parameters = st.fixed_dictionaries(
    {}, optional={"userName": anything, "newUserName": anything, "serialNumber": anything}
)
records = st.builds(
    lambda name, identity, request, broken: detail(name, userIdentity=identity, requestParameters=request) | broken,
    names,
    identities,
    parameters | anything,
    st.dictionaries(fields, anything, max_size=2),
)


@given(records | st.dictionaries(fields | st.text(max_size=8), anything))
def test_a_record_is_understood_or_refused_as_declared(record: dict[str, object]) -> None:
    try:
        event = parse_user_event(record)
    except EventNotUnderstood:
        return
    assert isinstance(event, UserEvent)
    if event.subject.kind is SubjectKind.USER:
        assert event.subject.name is not None
        assert USER_NAME.fullmatch(event.subject.name)
    else:
        assert event.subject.name is None


@given(records)
def test_an_alert_is_understood_or_refused_as_declared(record: dict[str, object]) -> None:
    try:
        alert = parse_alert(record)
    except EventNotUnderstood:
        return
    assert isinstance(alert, Alert)


@given(records)
def test_an_actor_is_always_found_and_has_a_label(record: dict[str, object]) -> None:
    actor = actor_of(record)
    assert isinstance(actor, Actor)
    assert actor.label.partition("/")[0] == actor.kind.value


@given(records)
def test_a_subject_is_a_name_that_iam_allows_or_root_or_none(record: dict[str, object]) -> None:
    try:
        subject = subject_of(record)
    except EventNotUnderstood:
        return
    assert subject is None or subject.name is None or USER_NAME.fullmatch(subject.name)
