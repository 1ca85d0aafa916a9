"""Changes of the exemption table, from its stream."""

import json

import pytest

from mfa_guard.core.cloudtrail import Actor, ActorKind, EventNotUnderstood
from mfa_guard.core.exemption import Exemption, MalformedExemption
from mfa_guard.core.exemption_changes import Change, parse_exemption_change
from mfa_guard.core.mail.notices import exemption_message
from support.factories import NOW, settings, stream_record

ITEM = {
    "user_id": "AIDA1",
    "user_name": "ci-deploy",
    "owner": "platform team",
    "reason": "build machine",
    "created_by": "arn:aws:iam::111122223333:user/bob",
    "expires_at": "2026-04-01T00:00:00Z",
}


def mail(record: dict[str, object]) -> str:
    message = exemption_message(parse_exemption_change(record, NOW), settings(), NOW)
    text = json.loads(message.body)["email"]
    assert isinstance(text, str)
    return text


def test_a_new_record_says_who_is_exempt_until_when_and_who_recorded_it() -> None:
    change = parse_exemption_change(stream_record("INSERT", ITEM), NOW)
    assert (change.change, change.user_id) == (Change.ADDED, "AIDA1")
    assert isinstance(change.exemption, Exemption)
    text = mail(stream_record("INSERT", ITEM))
    assert "ci-deploy is exempt until 2026-04-01T00:00:00Z" in text
    assert "owner platform team, reason build machine, recorded by arn:aws:iam::111122223333:user/bob" in text
    assert "exemption added at 2026-03-01T11:59:30Z" in text
    assert "client" not in text


def test_the_stream_has_no_actor_address_client_or_request() -> None:
    parsed = parse_exemption_change(stream_record("INSERT", ITEM), NOW).record
    assert (parsed.actor, parsed.address, parsed.user_agent, parsed.request) == (
        Actor(ActorKind.UNKNOWN),
        None,
        None,
        {},
    )


def test_a_changed_record_says_what_holds_now() -> None:
    record = stream_record("MODIFY", ITEM | {"expires_at": "2026-05-01T00:00:00Z"}, old=ITEM)
    assert "exempt until 2026-05-01T00:00:00Z" in mail(record)


def test_a_removed_record_says_who_is_no_longer_exempt() -> None:
    assert "ci-deploy is no longer exempt" in mail(stream_record("REMOVE", None, old=ITEM))


def test_a_malformed_record_does_not_exempt_and_says_so() -> None:
    record = stream_record("INSERT", {key: value for key, value in ITEM.items() if key != "owner"})
    assert isinstance(parse_exemption_change(record, NOW).exemption, MalformedExemption)
    assert "not valid, so ci-deploy is not exempt. The exemption record lacks owner." in mail(record)


def test_a_record_without_a_name_is_known_by_its_user_id() -> None:
    record = stream_record("INSERT", {"user_id": "AIDA1", "owner": "platform"})
    assert "AIDA1 is not exempt" in mail(record)


def test_a_record_that_has_ended_does_not_exempt_and_says_so() -> None:
    record = stream_record("MODIFY", ITEM | {"expires_at": "2026-02-01T00:00:00Z"}, old=ITEM)
    assert "expired at 2026-02-01T00:00:00Z, so ci-deploy is not exempt" in mail(record)


def test_a_name_with_line_ends_starts_no_line() -> None:
    text = mail(stream_record("INSERT", ITEM | {"user_name": "x\nTO UNDO\nreboot"}))
    assert "reboot" not in text.splitlines()


@pytest.mark.parametrize(
    "record",
    [
        None,
        {},
        stream_record("INSERT", ITEM) | {"eventID": 7},
        stream_record("INSERT", ITEM) | {"eventName": "PURGE"},
        stream_record("INSERT", ITEM)
        | {"dynamodb": {"Keys": {"user_id": {"S": "A"}}, "ApproximateCreationDateTime": 10**30}},
        stream_record("INSERT", ITEM) | {"dynamodb": {"Keys": {"user_id": {"S": "A"}}}},
        stream_record("INSERT", ITEM) | {"dynamodb": {"ApproximateCreationDateTime": 1}},
    ],
)
def test_another_shape_is_not_understood(record: object) -> None:
    with pytest.raises(EventNotUnderstood):
        parse_exemption_change(record, NOW)
