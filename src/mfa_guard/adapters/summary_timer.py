"""The guard's own queue, whose delayed messages end the windows of notices."""

import json
from typing import TYPE_CHECKING, Final

from mfa_guard.adapters.errors import translate_errors
from mfa_guard.core.notice_kinds import NoticeKind
from mfa_guard.core.windows import LENGTH

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class SummaryQueue:
    """Sends one message for each window; see `mfa_guard.ports.SummaryTimer`."""

    PERMISSIONS: Final = ("sqs:SendMessage",)

    def __init__(self, client: "SQSClient", queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url

    def start(self, kind: NoticeKind) -> None:
        """Send a message that arrives when the window has ended. SQS delays a message by 15 minutes at most."""
        with translate_errors():
            self._client.send_message(
                QueueUrl=self._queue_url,
                MessageBody=json.dumps({"kind": kind.value}),
                DelaySeconds=int(LENGTH.total_seconds()),
            )
