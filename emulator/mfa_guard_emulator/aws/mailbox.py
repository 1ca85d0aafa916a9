"""The mails that the topics sent, numbered in the order in which they were sent."""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from moto.sns.models import SNSBackend

from mfa_guard_cli.stack.intrinsics import as_text
from mfa_guard_cli.stack.template import Stack

_TOPIC: Final = "AWS::SNS::Topic"


@dataclass(frozen=True)
class Mail:
    """One message of a topic.

    `topic` is the topic's logical id, `to` the subscribed addresses, `data` the JSON for programs, `size` in bytes.
    """

    number: int
    time: datetime
    topic: str
    to: tuple[str, ...]
    subject: str
    text: str
    data: Mapping[str, object]
    attributes: Mapping[str, str]
    size: int


class Mailbox:
    """The mails of the stack's topics. `now` returns the time in UTC; `on_mail` is called for each mail."""

    def __init__(
        self, stack: Stack, sns: SNSBackend, now: Callable[[], datetime], on_mail: Callable[[Mail], None]
    ) -> None:
        self._sns = sns
        self._now = now
        self._on_mail = on_mail
        self._topics = {
            as_text(stack.resolve({"Ref": each.logical_id})): each.logical_id
            for each in stack.resources.values()
            if each.type == _TOPIC
        }
        self._read: dict[str, int] = {}
        self._mails: list[Mail] = []
        self._lock = threading.Lock()

    @property
    def mails(self) -> tuple[Mail, ...]:
        """Return every mail so far, oldest first."""
        return tuple(self._mails)

    def collect(self) -> None:
        """Read the mails that were sent since the last call."""
        with self._lock:
            fresh = [mail for arn in self._topics for mail in self._of_topic(arn)]
        for mail in fresh:
            self._on_mail(mail)

    def _of_topic(self, arn: str) -> list[Mail]:
        topic = self._sns.topics.get(arn)
        if topic is None:
            return []
        subscriptions, _ = self._sns.list_subscriptions_by_topic(topic_arn=arn)
        to = tuple(subscription.endpoint for subscription in subscriptions)
        sent = topic.sent_notifications
        fresh = sent[self._read.get(arn, 0) :]
        self._read[arn] = len(sent)
        mails = []
        for _, message, subject, attributes, _ in fresh:
            mail = self._mail(self._topics[arn], to, message, subject, attributes)
            self._mails.append(mail)
            mails.append(mail)
        return mails

    def _mail(
        self,
        topic: str,
        to: tuple[str, ...],
        message: str,
        subject: str | None,
        attributes: Mapping[str, Mapping[str, str]] | None,
    ) -> Mail:
        try:
            parts = json.loads(message)
            text, data = str(parts["email"]), parts["default"]
            content: Mapping[str, object] = json.loads(data)
        except (ValueError, KeyError, TypeError):
            # A message that the guard did not send.
            text, content = message, {}
        return Mail(
            number=len(self._mails) + 1,
            time=self._now(),
            topic=topic,
            to=to,
            subject=subject or "",
            text=text,
            data=content,
            attributes={name: value["Value"] for name, value in (attributes or {}).items()},
            size=len(message.encode()),
        )
