"""CloudFormation's side of a custom resource: what it asks, where it may be answered, and what an answer looks like.

    request   RequestType (Create, Update, Delete), ResponseURL, StackId, RequestId, LogicalResourceId,
              PhysicalResourceId (not with Create)
    response  Status (SUCCESS, FAILED), Reason, PhysicalResourceId, StackId, RequestId, LogicalResourceId

The ResponseURL is presigned: whoever knows it can answer in the function's place. It is never logged or shown.
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

# The function's own addition to a request that it hands on to itself: when the work began.
_BEGAN: Final = "MfaGuardBeganAt"

# https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
_SIGNED_AT: Final = "X-Amz-Date"
_SIGNED_AT_FORMAT: Final = "%Y%m%dT%H%M%SZ"

# A whole response may have 4,096 bytes, and in JSON a printable ASCII character takes up to two.
_REASON_LIMIT: Final = 1000

_STACK_ARN_PARTS: Final = 6


class RequestNotUnderstood(ValueError):
    """The event is no request of this stack's custom resource, or cannot be answered safely; one sentence."""


class RequestType(StrEnum):
    """What CloudFormation wants of the resource."""

    CREATE = "Create"
    UPDATE = "Update"
    DELETE = "Delete"


class Status(StrEnum):
    """How CloudFormation wants to be answered."""

    SUCCESS = "SUCCESS"
    FAILED = "FAILED"


@dataclass(frozen=True)
class Response:
    """An answer to be given. `reason` is one sentence, shown in the stack's events when the status is FAILED."""

    status: Status
    reason: str


@dataclass(frozen=True)
class StackId:
    """The stack that a function belongs to, from the function's own environment: arn:aws:cloudformation:REGION:..."""

    arn: str

    @property
    def partition(self) -> str:
        """Return aws, aws-cn, aws-us-gov ..."""
        return self.arn.split(":")[1]

    @property
    def region(self) -> str:
        """Return the stack's region."""
        return self.arn.split(":")[3]

    @property
    def response_hosts(self) -> frozenset[str]:
        """Return the hosts where CloudFormation awaits answers for this stack: S3's names for its one bucket.

        The bucket's name is exact, because anybody may own a bucket whose name merely begins like it.
        https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cfn-vpce-bucketnames.html
        """
        bucket = f"cloudformation-custom-resource-response-{self.region.replace('-', '')}"
        suffix = partition_named(self.partition).dns_suffix
        hosts = {f"{bucket}.s3.{self.region}.{suffix}", f"{bucket}.s3-{self.region}.{suffix}"}
        # Names without a region lead into the commercial partition.
        return frozenset(hosts | {f"{bucket}.s3.amazonaws.com"} if self.partition == "aws" else hosts)


def parse_stack_id(environment: Mapping[str, str]) -> StackId:
    """Return the stack that the environment variable STACK_ID names; raises SettingsError."""
    arn = environment.get("STACK_ID", "")
    if not arn.startswith("arn:") or arn.count(":") < _STACK_ARN_PARTS - 1:
        raise SettingsError(f"The environment variable STACK_ID is {arn!r}, which is no ARN.")
    return StackId(arn)


@dataclass(frozen=True)
class Request:
    """One request of CloudFormation.

    `physical_id` names the resource for CloudFormation and never changes, since another one would mean replacement.
    `began` is when work on the request began, or None when that is not known: it begins now.
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
        """Return the event with which the function goes on with this request in another invocation."""
        return {**self.event, _BEGAN: utc_text(began)}

    def body(self, response: Response) -> bytes:
        """Return the body that answers the request."""
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

    Raises RequestNotUnderstood when a field is missing, when the request is about another stack than `own`, or when
    its answer would go anywhere but to CloudFormation. The error never holds the URL.
    """
    fields = event if isinstance(event, Mapping) else {}
    kind = _text(fields, "RequestType")
    if kind not in {*RequestType}:
        raise RequestNotUnderstood(f"The request's RequestType is {kind[:80]!a}; CloudFormation has no such type.")
    if _text(fields, "StackId") != own.arn:
        raise RequestNotUnderstood("The request is about another stack than the function's own.")
    logical_id = _text(fields, "LogicalResourceId")
    url = _text(fields, "ResponseURL")
    return Request(
        type=RequestType(kind),
        id=_text(fields, "RequestId"),
        stack_id=own.arn,
        logical_id=logical_id,
        physical_id=logical_id if kind == RequestType.CREATE else _text(fields, "PhysicalResourceId"),
        began=parse_utc(str(fields.get(_BEGAN))) or _signed_at(_checked(url, own)),
        response_url=url,
        event=fields,
    )


def _text(fields: Mapping[object, object], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise RequestNotUnderstood(f"The request has no {name}.")
    return value


def _checked(url: str, own: StackId) -> SplitResult:
    refusal = RequestNotUnderstood("The request's ResponseURL does not lead to CloudFormation; nobody was answered.")
    # What one reader of URLs skips or turns round, another takes at its word.
    if not url.isascii() or not url.isprintable() or set(url) & set(" \\"):
        raise refusal
    try:
        parts = urlsplit(url)
    except ValueError:
        raise refusal from None
    # The whole authority, so that neither a user nor a port stands beside the host.
    if parts.scheme != "https" or parts.netloc not in own.response_hosts:
        raise refusal
    return parts


def _signed_at(url: SplitResult) -> datetime | None:
    """Return when CloudFormation signed the URL, right before it sent the request.

    Lambda's own retry of a request that killed the function does not say when the first attempt began.
    """
    for text in parse_qs(url.query).get(_SIGNED_AT, []):
        try:
            return datetime.strptime(text, _SIGNED_AT_FORMAT).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None
