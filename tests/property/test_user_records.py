"""In any interleaving of claims, crashes, time and outages, each notice is sent at least once, and none is silenced."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from mfa_guard.core.leases import IN_PROGRESS, SENT, Claim, Lease
from mfa_guard.core.notice_kinds import COVERED_BY, ENDS, NoticeKind
from support.factories import decision
from support.fakes import FakeAccount

USER: Final = "AIDAEXAMPLE"
KINDS: Final = (NoticeKind.NONCOMPLIANT, NoticeKind.NEW_CREDENTIAL, NoticeKind.SOLVED, NoticeKind.RELEASED)
NAMES: Final = ("password", "AKIA1", "AKIA2")


@dataclass
class Published:
    """One mail, and when an invocation last recorded that it is out."""

    kind: NoticeKind
    exposure: frozenset[str]
    recorded: datetime | None = None


@dataclass
class Invocation:
    """One attempt to send a notice, one call at a time: claim, publish, record."""

    lease: Lease
    answer: Claim | None = None
    mail: Published | None = None


@dataclass
class Story:
    """A table, the mails, and the invocations that have begun."""

    account: FakeAccount = field(default_factory=FakeAccount)
    mails: list[Published] = field(default_factory=list)
    running: list[Invocation] = field(default_factory=list)

    def step(self, invocation: Invocation) -> None:
        """Make the next call of an invocation, which ends after the last call, or when it need not send."""
        records, lease = self.account.records, invocation.lease
        if invocation.answer in {None, Claim.HELD}:
            invocation.answer = records.claim(lease, decision(at=self.account.clock.now()))
            if invocation.answer is Claim.SENT:
                self.assert_sent(lease)
                self.running.remove(invocation)
        elif invocation.mail is None:
            invocation.mail = Published(lease.kind, lease.exposure)
            self.mails.append(invocation.mail)
        else:
            records.sent(lease)
            invocation.mail.recorded = self.account.clock.now()
            self.running.remove(invocation)

    def assert_sent(self, lease: Lease) -> None:
        """Assert that a mail of the last fifteen minutes is why an invocation sends none, and that mails name all."""
        mails = [mail for mail in self.mails if mail.kind in {lease.kind, *COVERED_BY.get(lease.kind, ())}]
        now = self.account.clock.now()
        assert any(mail.recorded and now - mail.recorded < SENT for mail in mails)
        assert lease.exposure <= frozenset().union(*(mail.exposure for mail in mails))


leases: Final = st.builds(
    lambda kind, holder, names: Lease(USER, kind, holder, names, ENDS.get(kind, ())),
    st.sampled_from(KINDS),
    st.sampled_from("abc"),
    st.frozensets(st.sampled_from(NAMES)),
)
acts: Final = st.one_of(
    st.tuples(st.just("begin"), leases),
    st.tuples(st.just("step"), st.integers(0, 5)),
    st.tuples(st.just("step"), st.integers(0, 5)),
    st.tuples(st.just("crash"), st.integers(0, 5)),
    st.tuples(st.just("wait"), st.sampled_from([0.5, 5, 16, 14 * 60, 16 * 60])),
    st.tuples(st.just("reachable"), st.booleans()),
)


@settings_of_hypothesis(max_examples=500)
@given(script=st.lists(acts, max_size=40), last=leases)
def test_each_notice_is_sent_at_least_once_and_none_is_silenced_for_ever(
    script: list[tuple[str, object]], last: Lease
) -> None:
    story = Story()
    for act, what in script:
        match act, what:
            case "begin", Lease() as lease:
                story.running.append(Invocation(lease))
            case "wait", float() | int() as seconds:
                story.account.clock.sleep(seconds)
            case "reachable", bool() as reachable:
                story.account.records.reachable = reachable
            case _, int() as index if story.running:
                invocation = story.running[index % len(story.running)]
                if act == "crash":
                    story.running.remove(invocation)
                else:
                    story.step(invocation)
    # Whatever happened: a claim after the longest silence succeeds, and an invocation that waits gets its turn.
    story.account.records.reachable = True
    final = replace(last, holder="last")
    while (claim := story.account.records.claim(final, decision())) is Claim.HELD:
        story.account.clock.sleep(1)
    if claim is Claim.SENT:
        story.assert_sent(final)
    story.account.clock.sleep((SENT + IN_PROGRESS).total_seconds())
    assert story.account.records.claim(replace(last, holder="later"), decision()) is Claim.MINE
