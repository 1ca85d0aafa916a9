"""SNS: the topics for notices and for operations."""

from typing import TYPE_CHECKING, Final

from mfa_guard.core.mail.layout import Message

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient


class Topics:
    """Publishes messages; see `mfa_guard.ports.Notifier`. Raises what SNS raises."""

    PERMISSIONS: Final = ("sns:Publish",)

    def __init__(self, client: "SNSClient", notices_arn: str, operations_arn: str) -> None:
        self._client = client
        self._notices_arn = notices_arn
        self._operations_arn = operations_arn

    def notices(self, message: Message) -> None:
        """Send `message` to the subscribers of the notices topic."""
        self._publish(self._notices_arn, message)

    def operations(self, message: Message) -> None:
        """Send `message` to the subscribers of the operations topic."""
        self._publish(self._operations_arn, message)

    def _publish(self, topic_arn: str, message: Message) -> None:
        self._client.publish(
            TopicArn=topic_arn,
            Subject=message.subject,
            Message=message.body,
            MessageStructure="json",
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value} for name, value in message.attributes.items()
            },
        )
