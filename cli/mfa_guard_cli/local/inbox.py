"""What the topics sent, as the administrators read it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from mfa_guard_cli.local.account import Account


@dataclass(frozen=True)
class Mail:
    """One message of a topic. `topic` is its logical id, `to` the subscribed addresses, `data` what machines get."""

    topic: str
    to: tuple[str, ...]
    subject: str
    text: str
    data: Mapping[str, object]
    attributes: Mapping[str, str]
    size: int


class Inbox:
    """The mails of the stack's topics, in the order in which they were sent topic by topic."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._read: dict[str, int] = {}

    def unread(self) -> tuple[Mail, ...]:
        """Return the mails sent since this was last asked."""
        return tuple(
            mail
            for resource in self._account.stack.resources.values()
            if resource.type == "AWS::SNS::Topic"
            for mail in self._of_topic(resource.logical_id)
        )

    def _of_topic(self, logical_id: str) -> list[Mail]:
        arn = str(self._account.stack.resolve({"Ref": logical_id}))
        topic = self._account.sns.topics[arn]
        subscriptions, _ = self._account.sns.list_subscriptions_by_topic(topic_arn=arn)
        to = tuple(subscription.endpoint for subscription in subscriptions)
        sent = topic.sent_notifications
        fresh = sent[self._read.get(logical_id, 0) :]
        self._read[logical_id] = len(sent)
        return [_mail(logical_id, to, message, subject, attributes) for _, message, subject, attributes, _ in fresh]


def _mail(
    topic: str,
    to: tuple[str, ...],
    message: str,
    subject: str | None,
    attributes: Mapping[str, Mapping[str, str]] | None,
) -> Mail:
    parts = json.loads(message)
    return Mail(
        topic=topic,
        to=to,
        subject=subject or "",
        text=parts["email"],
        data=json.loads(parts["default"]),
        attributes={name: value["Value"] for name, value in (attributes or {}).items()},
        size=len(message.encode()),
    )
