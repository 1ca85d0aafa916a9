"""CloudFormation's protocol for a custom resource: the request, and the response to the request's URL.

    request   RequestType (Create, Update, Delete), ResponseURL, StackId, RequestId, LogicalResourceId,
              PhysicalResourceId (not with Create)
    response  Status (SUCCESS, FAILED), Reason, PhysicalResourceId, StackId, RequestId, LogicalResourceId

The ResponseURL is presigned: anyone who knows it can respond in place of the function. It is never logged or shown.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final
from urllib.parse import SplitResult, parse_qs, urlsplit

from mfa_guard.core.partitions import partition_named
from mfa_guard.core.settings import SettingsError
from mfa_guard.core.times import parse_utc, utc_text

# The function adds this field to a request that it sends to itself: when the work began.
_BEGAN: Final = "MfaGuardBeganAt"

# https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
_SIGNED_AT: Final = "X-Amz-Date"
_SIGNED_AT_FORMAT: Final = "%Y%m%dT%H%M%SZ"

# A response may have 4,096 bytes, and a printable ASCII character takes up to two bytes in JSON.
_REASON_LIMIT: Final = 1000

_STACK_ARN_PARTS: Final = 6


class RequestNotUnderstood(ValueError):
    """The event is not a request of this stack's custom resource, or a response would not be safe; one sentence."""


class RequestType(StrEnum):
    """What CloudFormation requests for the resource."""

    CREATE = "Create"
    UPDATE = "Update"
    DELETE = "Delete"


class Status(StrEnum):
    """The status of a response."""

    SUCCESS = "SUCCESS"
    FAILED = "FAILED"


@dataclass(frozen=True)
class Response:
    """A response. `reason` is one sentence; the stack's events show it if the status is FAILED."""

    status: Status
    reason: str


@dataclass(frozen=True)
class StackId:
    """The ARN of the stack that a function belongs to: arn:aws:cloudformation:REGION:..."""

    arn: str

    @property
    def partition(self) -> str:
        """Return the partition, such as aws or aws-cn."""
        return self.arn.split(":")[1]

    @property
    def region(self) -> str:
        """Return the stack's region."""
        return self.arn.split(":")[3]

    @property
    def response_hosts(self) -> frozenset[str]:
        """Return the hosts where CloudFormation receives responses for this stack: S3's names of one bucket.

        The bucket's name must match exactly, because anyone may own a bucket whose name only begins the same.
        https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cfn-vpce-bucketnames.html
        """
        bucket = f"cloudformation-custom-resource-response-{self.region.replace('-', '')}"
        suffix = partition_named(self.partition).dns_suffix
        hosts = {f"{bucket}.s3.{self.region}.{suffix}", f"{bucket}.s3-{self.region}.{suffix}"}
        # A name without a region belongs to the commercial partition.
        return frozenset(hosts | {f"{bucket}.s3.amazonaws.com"} if self.partition == "aws" else hosts)


def parse_stack_id(environment: Mapping[str, str]) -> StackId:
    """Return the stack in the environment variable STACK_ID; raises SettingsError."""
    arn = environment.get("STACK_ID", "")
    if not arn.startswith("arn:") or arn.count(":") < _STACK_ARN_PARTS - 1:
        raise SettingsError(f"The environment variable STACK_ID is {arn!r}, which is not an ARN.")
    return StackId(arn)


@dataclass(frozen=True)
class Request:
    """One request from CloudFormation.

    `physical_id` is CloudFormation's name of the resource. It never changes, because CloudFormation would replace the
    resource. `began` is when work on the request began, or None if that is not known.
    """

    type: RequestType
    id: str
    stack_id: str
    logical_id: str
    physical_id: str
    began: datetime | None
    response_url: str = field(repr=False)
    event: Mapping[str, object] = field(repr=False)

    def continued(self, began: datetime) -> Mapping[str, object]:
        """Return the event with which another invocation of the function continues with this request."""
        return {**self.event, _BEGAN: utc_text(began)}

    def body(self, response: Response) -> bytes:
        """Return the body of the response."""
        reason = "".join(char if " " <= char <= "~" else "?" for char in response.reason)
        body = {
            "Status": response.status.value,
            "Reason": reason if len(reason) <= _REASON_LIMIT else f"{reason[: _REASON_LIMIT - 3]}...",
            "PhysicalResourceId": self.physical_id,
            "StackId": self.stack_id,
            "RequestId": self.id,
            "LogicalResourceId": self.logical_id,
        }
        return json.dumps(body).encode()


def parse_request(event: object, own: StackId) -> Request:
    """Return the request in an event.

    Raises RequestNotUnderstood if a field is missing, if the request is about another stack than `own`, or if the
    response would not go to CloudFormation. The error never contains the URL.
    """
    fields = event if isinstance(event, Mapping) else {}
    kind = _text(fields, "RequestType")
    if kind not in {*RequestType}:
        raise RequestNotUnderstood(f"The request has an unknown RequestType: {kind[:80]!a}.")
    if _text(fields, "StackId") != own.arn:
        raise RequestNotUnderstood("The request is about another stack.")
    logical_id = _text(fields, "LogicalResourceId")
    url = _text(fields, "ResponseURL")
    return Request(
        type=RequestType(kind),
        id=_text(fields, "RequestId"),
        stack_id=own.arn,
        logical_id=logical_id,
        physical_id=logical_id if kind == RequestType.CREATE else _text(fields, "PhysicalResourceId"),
        began=parse_utc(str(fields.get(_BEGAN))) or _signed_at(_checked_url(url, own)),
        response_url=url,
        event=fields,
    )


def _text(fields: Mapping[object, object], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise RequestNotUnderstood(f"The request has no {name}.")
    return value


def _checked_url(url: str, own: StackId) -> SplitResult:
    refused = RequestNotUnderstood(
        "The request's ResponseURL does not belong to CloudFormation, so no response was sent."
    )
    # Some parsers of URLs skip or replace these characters, and others do not.
    if not url.isascii() or not url.isprintable() or set(url) & set(" \\"):
        raise refused
    try:
        parts = urlsplit(url)
    except ValueError:
        raise refused from None
    # The whole authority is compared, so the URL has neither a user nor a port.
    if parts.scheme != "https" or parts.netloc not in own.response_hosts:
        raise refused
    return parts


def _signed_at(url: SplitResult) -> datetime | None:
    """Return when CloudFormation signed the URL, which it does just before it sends the request.

    Lambda retries a request that crashed the function, and the retry does not say when the first attempt began.
    """
    for text in parse_qs(url.query).get(_SIGNED_AT, []):
        try:
            return datetime.strptime(text, _SIGNED_AT_FORMAT).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None
