"""A stack that is being deleted, in memory: what it still holds on to, and Lambda's and CloudFormation's part in it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from mfa_guard.core.attachments import Attachment, AttachmentKind
from mfa_guard.core.custom_resource import Request, Response, StackId, parse_request
from mfa_guard.use_cases.teardown import TeardownDependencies, tear_down
from support.factories import ACCOUNT
from support.fakes import Crash, FakeClock, FakeTelemetry, FakeWaker

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
    """Return the same, parsed."""
    return parse_request(request_event(kind, **changes), STACK)


def user(name: str) -> Attachment:
    return Attachment(AttachmentKind.POLICY_ON_USER, name)


def member(name: str) -> Attachment:
    return Attachment(AttachmentKind.MEMBERSHIP, name)


def tags(name: str) -> Attachment:
    return Attachment(AttachmentKind.TAGS, name, ("mfa-guard:status", "mfa-guard:since"))


@dataclass(frozen=True)
class Happening:
    """What becomes of a call to AWS: how long it takes with its retries, and what it ends in.

    `although_done`: the error came after the deed. `dies`: the process ends here.
    """

    seconds: float = 0.1
    error: Exception | None = None
    although_done: bool = False
    dies: bool = False


@dataclass
class FakeDeletion:
    """IAM, the stack's status, the function itself and the bus. `happenings` are the next calls', then all goes well.

    `shown_still` are listings that go on showing what was taken off; `denied` are holds that AWS does not let go.
    """

    on: list[Attachment] = field(default_factory=list)
    stack_status: str = "DELETE_IN_PROGRESS"
    denied: dict[Attachment, Exception] = field(default_factory=dict)
    shown_still: int = 0
    page_size: int = 100
    happenings: list[Happening] = field(default_factory=list)
    clock: FakeClock = field(default_factory=FakeClock)
    telemetry: FakeTelemetry = field(default_factory=FakeTelemetry)
    sweep_starter: FakeWaker = field(default_factory=FakeWaker)
    relayed: list[Mapping[str, object]] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    gone: list[Attachment] = field(default_factory=list)

    def _call(self, name: str, deed: Callable[[], None] = lambda: None) -> None:
        self.made.append(name)
        happening = self.happenings.pop(0) if self.happenings else Happening()
        self.clock.sleep(happening.seconds)
        if happening.error is None or happening.although_done:
            deed()
        if happening.dies:
            raise Crash(name)
        if happening.error:
            raise happening.error

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

    def _pages(self, name: str, *grips: AttachmentKind) -> Iterator[tuple[Attachment, ...]]:
        shown = list(self.on)
        if self.shown_still:
            self.shown_still -= 1
            shown += self.gone
        attachments = [attachment for attachment in shown if attachment.kind in grips]
        for start in range(0, max(len(attachments), 1), self.page_size):
            self._call(name)
            yield tuple(attachments[start : start + self.page_size])

    def remove(self, attachment: Attachment) -> None:
        def take_off() -> None:
            if attachment in self.on:
                self.on.remove(attachment)
                self.gone.append(attachment)

        refusal = self.denied.get(attachment)
        self._call(f"remove {attachment}", take_off if refusal is None else lambda: None)
        if refusal:
            raise refusal

    def again(self, event: Mapping[str, object]) -> None:
        self._call("again", lambda: self.relayed.append(event))

    def dependencies(self, remaining: Callable[[], float] | None = None) -> TeardownDependencies:
        """Return the world of an invocation that begins now, with 15 minutes unless `remaining` says otherwise."""
        end = self.clock.now() + INVOCATION

        def until_the_end() -> float:
            return (end - self.clock.now()).total_seconds()

        left = remaining or until_the_end
        return TeardownDependencies(self, self, self, self.sweep_starter, self.telemetry, self.clock, left)

    def released(self) -> list[str]:
        """Return the calls that took something off."""
        return [call.removeprefix("remove ") for call in self.made if call.startswith("remove ")]


@dataclass
class FakeLambda:
    """Runs a request as Lambda would: asynchronous, each event at most three times, 15 minutes each time."""

    deletion: FakeDeletion
    answers: list[tuple[datetime, Response]] = field(default_factory=list)
    longest: timedelta = timedelta(0)

    def run(self, event: Mapping[str, object]) -> None:
        """Handle the event and whatever it leads to, as long as Lambda does not take that for a loop without end."""
        chain = [event]
        for link in chain:
            assert len(chain) <= LONGEST_CHAIN
            self._handle(link)
            chain += self.deletion.relayed
            self.deletion.relayed.clear()

    def _handle(self, event: Mapping[str, object]) -> None:
        clock = self.deletion.clock
        for pause in (60, 120, 0):
            began = clock.now()
            try:
                verdict = tear_down(parse_request(event, STACK), self.deletion.dependencies())
            except Crash:
                clock.sleep(pause)
                continue
            finally:
                self.longest = max(self.longest, clock.now() - began)
            if verdict:
                self.answers.append((clock.now(), verdict))
            return
