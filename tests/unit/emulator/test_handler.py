"""The handler that gives a function the account's time, run as the function's process runs it."""

import runpy
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest

from mfa_guard.adapters.clock import SystemClock
from mfa_guard_emulator import functions
from mfa_guard_emulator.clock import Clock

FOLDER: Final = Path(functions.__file__).parent


@pytest.fixture(autouse=True)
def _own_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Restore the system clock, and name a handler: any function that can be imported."""
    monkeypatch.setattr(SystemClock, "now", SystemClock.now)
    monkeypatch.setattr(SystemClock, "sleep", SystemClock.sleep)
    monkeypatch.setenv("MFA_GUARD_LOCAL_HANDLER", "json.loads")


def load() -> object:
    return runpy.run_path(str(FOLDER / "handler.py"))["lambda_handler"]


def test_it_is_the_functions_own_handler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MFA_GUARD_LOCAL_CLOCK", raising=False)
    handler = load()
    assert callable(handler)
    assert handler("[1]") == [1]


def test_with_the_accounts_clock_a_wait_skips_time_for_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(tmp_path / "clock")
    clock.advance(timedelta(days=1))
    monkeypatch.setenv("MFA_GUARD_LOCAL_CLOCK", str(tmp_path / "clock"))
    load()
    SystemClock().sleep(3600)
    assert clock.skipped == timedelta(days=1, hours=1)
    assert abs(SystemClock().now() - datetime.now(UTC) - clock.skipped) < timedelta(seconds=10)
    assert struct.unpack("=d", (tmp_path / "clock").read_bytes()) == (90_000.0,)


def test_without_it_a_wait_lasts_one_second_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MFA_GUARD_LOCAL_CLOCK", raising=False)
    load()
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)
    for seconds in (0.5, 60):
        SystemClock().sleep(seconds)
    assert waits == [0.5, 1.0]


def test_the_name_server_resolves_only_its_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    connected: list[object] = []

    def connect(address: object, *_: object) -> None:
        connected.append(address)

    monkeypatch.setattr("socket.create_connection", connect)
    monkeypatch.setenv("LOCAL_HOSTS", "one.example.com,two.example.com")
    monkeypatch.setenv("LOCAL_HOSTS_PORT", "4711")
    create_connection = runpy.run_path(str(FOLDER / "name_server.py"))["_create_connection"]
    for host in ("one.example.com", "two.example.com", "three.example.com"):
        create_connection((host, 443), 10)
    assert connected == [("127.0.0.1", 4711), ("127.0.0.1", 4711), ("three.example.com", 443)]
