"""`mfa-guard preview` on the local account."""

import pytest

from mfa_guard.adapters import clock
from mfa_guard_cli.common import aws_session
from mfa_guard_cli.stack import template
from support.account import ADMINISTRATOR, Account
from support.aws import Faults
from support.fakes import FakeClock
from support.preview_command import Command


@pytest.fixture
def command(account: Account, monkeypatch: pytest.MonkeyPatch) -> Command:
    injected = Faults()
    account.session.events.register("before-call", injected.before_call)
    account.iam_reads.report.polls = 0
    # Loading the template takes a second, and the result is the same for every run.
    monkeypatch.setattr(template, "load_template", lambda: account.stack.template)
    monkeypatch.setattr(clock, "SystemClock", lambda: FakeClock(account.clock.now()))
    monkeypatch.setattr(aws_session, "open_session", lambda _profile, _region: account.session)
    account.iam.create_login_profile(ADMINISTRATOR, "Not-a-real-passw0rd")
    return Command(account, injected)
