"""A stack that is being deleted, in memory: its attachments, and what Lambda and CloudFormation do."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from mfa_guard.core.attachments import Attachment, AttachmentKind
from mfa_guard.core.custom_resource import Request, Response, StackId, parse_request
from mfa_guard.use_cases.teardown import TeardownDependencies, tear_down
from support.factories import ACCOUNT
from support.fakes import Crash, FakeClock, FakeTelemetry
from support.sweep_fakes import FakeSweepStarter

STACK: Final = StackId(f"arn:aws:cloudformation:us-east-1:{ACCOUNT}:stack/mfa-guard/0a1b2c3d-4e5f")
URL: Final = (
    "https://cloudformation-custom-resource-response-useast1.s3.us-east-1.amazonaws.com/mfa-guard"
    "?X-Amz-Expires=7200&X-Amz-Signature=a-secret"
)
INVOCATION: Final = timedelta(seconds=900)

# https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
LONGEST_CHAIN: Final = 16


def request_event(kind: str = "Delete", **changes: object) -> dict[str, object]:
    """Return what CloudFormation sends to the function."""
    event = {
        "RequestType": kind,
        "ServiceToken": f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:mfa-guard-TeardownFunction",
        "ResponseURL": URL,
        "StackId": STACK.arn,
        "RequestId": "request-1",
        "LogicalResourceId": "Teardown",
        "ResourceType": "Custom::Teardown",
        "ResourceProperties": {},
        **({} if kind == "Create" else {"PhysicalResourceId": "Teardown"}),
    }
    return {**event, **changes}


def request(kind: str = "Delete", **changes: object) -> Request:
    """Return the parsed request."""
    return parse_request(request_event(kind, **changes), STACK)


def user(name: str) -> Attachment:
    return Attachment(AttachmentKind.POLICY_ON_USER, name)


def member(name: str) -> Attachment:
    return Attachment(AttachmentKind.MEMBERSHIP, name)


def tags(name: str) -> Attachment:
    return Attachment(AttachmentKind.TAGS, name, ("mfa-guard:status", "mfa-guard:since"))


@dataclass(frozen=True)
class CallResult:
    """The result of a call to AWS: how long it takes with its retries, and its error.

    `although_done`: the error comes after the change. `crashes`: the process ends here.
    """

    seconds: float = 0.1
    error: Exception | None = None
    although_done: bool = False
    crashes: bool = False


@dataclass
class FakeDeletion:
    """IAM, the stack's status, the function itself, and the event bus.

    `results` are those of the next calls; after them, every call succeeds. `stale_listings` is how many listings still
    show what was removed. `denied` are attachments that AWS does not remove, each with the error.
    """

    attachments: list[Attachment] = field(default_factory=list)
    stack_status: str = "DELETE_IN_PROGRESS"
    denied: dict[Attachment, Exception] = field(default_factory=dict)
    stale_listings: int = 0
    page_size: int = 100
    results: list[CallResult] = field(default_factory=list)
    clock: FakeClock = field(default_factory=FakeClock)
    telemetry: FakeTelemetry = field(default_factory=FakeTelemetry)
    sweep_starter: FakeSweepStarter = field(default_factory=FakeSweepStarter)
    invoked: list[Mapping[str, object]] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    removed_before: list[Attachment] = field(default_factory=list)

    def _call(self, name: str, change: Callable[[], None] = lambda: None) -> None:
        self.made.append(name)
        result = self.results.pop(0) if self.results else CallResult()
        self.clock.sleep(result.seconds)
        if result.error is None or result.although_done:
            change()
        if result.crashes:
            raise Crash(name)
        if result.error:
            raise result.error

    def status(self) -> str:
        self._call("status")
        return self.stack_status

    def attached(self) -> Iterator[tuple[Attachment, ...]]:
        return self._pages(
            "attached", AttachmentKind.POLICY_ON_USER, AttachmentKind.POLICY_ON_ROLE, AttachmentKind.POLICY_ON_GROUP
        )

    def members(self) -> Iterator[tuple[Attachment, ...]]:
        return self._pages("members", AttachmentKind.MEMBERSHIP)

    def tagged(self) -> Iterator[tuple[Attachment, ...]]:
        return self._pages("tagged", AttachmentKind.TAGS)

    def _pages(self, name: str, *kinds: AttachmentKind) -> Iterator[tuple[Attachment, ...]]:
        shown = list(self.attachments)
        if self.stale_listings:
            self.stale_listings -= 1
            shown += self.removed_before
        attachments = [attachment for attachment in shown if attachment.kind in kinds]
        for start in range(0, max(len(attachments), 1), self.page_size):
            self._call(name)
            yield tuple(attachments[start : start + self.page_size])

    def remove(self, attachment: Attachment) -> None:
        def remove_it() -> None:
            if attachment in self.attachments:
                self.attachments.remove(attachment)
                self.removed_before.append(attachment)

        error = self.denied.get(attachment)
        self._call(f"remove {attachment}", remove_it if error is None else lambda: None)
        if error:
            raise error

    def again(self, event: Mapping[str, object]) -> None:
        self._call("again", lambda: self.invoked.append(event))

    def dependencies(self, remaining: Callable[[], float] | None = None) -> TeardownDependencies:
        """Return the dependencies of an invocation that begins now and has 15 minutes, or what `remaining` returns."""
        end = self.clock.now() + INVOCATION

        def until_its_end() -> float:
            return (end - self.clock.now()).total_seconds()

        left = remaining or until_its_end
        return TeardownDependencies(self, self, self, self.sweep_starter, self.telemetry, self.clock, left)

    def removed(self) -> list[str]:
        """Return what the calls tried to remove."""
        return [call.removeprefix("remove ") for call in self.made if call.startswith("remove ")]


@dataclass
class FakeLambda:
    """Runs a request as Lambda does: asynchronously, each event at most three times, 15 minutes each time."""

    deletion: FakeDeletion
    responses: list[tuple[datetime, Response]] = field(default_factory=list)
    longest: timedelta = timedelta(0)

    def run(self, event: Mapping[str, object]) -> None:
        """Handle the event and every invocation that follows from it; fail where Lambda would stop a recursive loop."""
        chain = [event]
        for link in chain:
            assert len(chain) <= LONGEST_CHAIN
            self._handle(link)
            chain += self.deletion.invoked
            self.deletion.invoked.clear()

    def _handle(self, event: Mapping[str, object]) -> None:
        clock = self.deletion.clock
        for pause in (60, 120, 0):
            began = clock.now()
            try:
                response = tear_down(parse_request(event, STACK), self.deletion.dependencies())
            except Crash:
                clock.sleep(pause)
                continue
            finally:
                self.longest = max(self.longest, clock.now() - began)
            if response:
                self.responses.append((clock.now(), response))
            return
