"""The event bus, through which a sweep requests its next round."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from mfa_guard.core.sweep_request import DETAIL_TYPE, SOURCE

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient


class SweepNotRequested(Exception):
    """EventBridge accepted the call and did not accept the event."""


class EventBus:
    """The account's default event bus; see `mfa_guard.ports.SweepStarter`."""

    PERMISSIONS: Final = ("events:PutEvents",)

    def __init__(self, client: "EventBridgeClient") -> None:
        self._client = client

    def request_sweep(self, detail: Mapping[str, object]) -> None:
        """Send the event that starts a sweep. Raises SweepNotRequested and what EventBridge raises."""
        answer = self._client.put_events(
            Entries=[{"Source": SOURCE, "DetailType": DETAIL_TYPE, "Detail": json.dumps(detail)}]
        )
        if answer["FailedEntryCount"]:
            raise SweepNotRequested(f"EventBridge refused the event: {answer['Entries'][0].get('ErrorMessage')}")
