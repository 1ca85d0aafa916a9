"""The parsers accept any record: they return a result, or raise what they declare."""

from hypothesis import given
from hypothesis import strategies as st

from mfa_guard.core.alerts import Alert, parse_alert
from mfa_guard.core.cloudtrail import (
    CREDENTIAL_ID,
    IAM,
    SIGN_IN,
    USER_ID,
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
    [
        "CreateUser",
        "CreateAccessKey",
        "UpdateAccessKey",
        "CreateServiceSpecificCredential",
        "UploadSSHPublicKey",
        "UpdateSigningCertificate",
        "UpdateLoginProfile",
        "PutUserPermissionsBoundary",
        "DeactivateMFADevice",
        "UpdateUser",
        "TagUser",
        "StopLogging",
        "ConsoleLogin",
    ]
)
fields = st.sampled_from(
    [
        "eventID",
        "eventName",
        "eventSource",
        "eventTime",
        "userIdentity",
        "requestParameters",
        "responseElements",
        "additionalEventData",
    ]
)
# Some are names and ids that IAM allows, and some are not.
words = st.sampled_from(["alice", "AIDA1", "AKIA1", "Active", "AIDA 1", "AKIA1; rm", "", "x" * 129]) | anything
identities = (
    st.sampled_from([user_identity(), role_identity(), long_term_key(), {"type": "Root"}])
    | st.fixed_dictionaries({"type": st.just("IAMUser")}, optional={"principalId": words, "userName": words})
    | anything
)
credentials = ("accessKeyId", "serviceSpecificCredentialId", "sSHPublicKeyId", "certificateId")
parameters = st.fixed_dictionaries(
    {},
    optional={
        "userName": words,
        "newUserName": words,
        "serialNumber": anything,
        "status": words,
        **dict.fromkeys(credentials, words),
    },
)
answers = st.fixed_dictionaries(
    {},
    optional={
        "user": st.fixed_dictionaries({}, optional={"userName": words, "userId": words}),
        "accessKey": parameters,
        "serviceSpecificCredential": parameters,
        "sSHPublicKey": parameters,
        "certificate": parameters,
        "ConsoleLogin": st.just("Success"),
    },
)
records = st.builds(
    lambda name, identity, request, answer, data, broken: (
        detail(
            name,
            eventSource=SIGN_IN if name == "ConsoleLogin" else IAM,
            userIdentity=identity,
            requestParameters=request,
            responseElements=answer,
            additionalEventData=data,
        )
        | broken
    ),
    names,
    identities,
    parameters | anything,
    answers | anything,
    st.fixed_dictionaries({}, optional={"MFAUsed": st.sampled_from(["Yes", "YES", "No"]) | anything}) | anything,
    st.dictionaries(fields, anything, max_size=2),
)


@given(records | st.dictionaries(fields | st.text(max_size=8), anything))
def test_a_record_is_understood_or_refused_as_declared(record: dict[str, object]) -> None:
    try:
        event = parse_user_event(record)
    except EventNotUnderstood:
        return
    assert isinstance(event, UserEvent)
    subject = event.subject
    assert bool(subject.name or subject.id) == (subject.kind is SubjectKind.USER)
    assert all(USER_NAME.fullmatch(name) for name in (subject.name, event.old_name) if name is not None)
    assert all(USER_ID.fullmatch(each) for each in (subject.id, event.record.actor.id) if each is not None)
    assert all(CREDENTIAL_ID.fullmatch(each) for each in (event.announced, event.key_id) if each is not None)


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
def test_a_subject_has_a_name_and_an_id_that_iam_allows_or_is_root_or_none(record: dict[str, object]) -> None:
    try:
        subject = subject_of(record)
    except EventNotUnderstood:
        return
    if subject is not None:
        assert subject.name is None or USER_NAME.fullmatch(subject.name)
        assert subject.id is None or USER_ID.fullmatch(subject.id)
