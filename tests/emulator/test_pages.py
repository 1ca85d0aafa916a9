"""What the local account answers to its page and to the commands."""

import http.client
import json
from collections.abc import Mapping
from typing import Final

import pytest
from typer.testing import CliRunner

from mfa_guard_emulator.account import LocalAccount
from mfa_guard_emulator.main import app
from support.local import Recorder, wait_until_idle

COMMAND: Final = {"X-Mfa-Guard": "yes", "Content-Type": "application/json"}


def request(
    account: LocalAccount, method: str, path: str, headers: Mapping[str, str] | None = None, body: str = ""
) -> tuple[int, Mapping[str, str], str]:
    """Return the status, the headers and the text of the answer."""
    connection = http.client.HTTPConnection("localhost", port(account), timeout=10)
    connection.request(method, path, body or None, dict(headers or {}))
    response = connection.getresponse()
    answer = response.status, dict(response.getheaders()), response.read().decode()
    connection.close()
    return answer


def port(account: LocalAccount) -> int:
    return int(account.endpoint.rpartition(":")[2])


def run(account: LocalAccount, *words: str) -> tuple[int, str]:
    """Return the exit code and the output of a command of the program."""
    result = CliRunner().invoke(app, [*words, "--port", str(port(account))])
    return result.exit_code, result.output


def test_the_root_leads_to_the_page(account: LocalAccount) -> None:
    status, headers, _ = request(account, "GET", "/")
    assert (status, headers["Location"]) == (303, "/_mfa-guard/")
    status, headers, page = request(account, "GET", "/_mfa-guard/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "page.js" in page


def test_an_unknown_address_is_not_found(account: LocalAccount) -> None:
    assert request(account, "GET", "/_mfa-guard/secrets")[0] == 404


def test_the_state_has_the_stack_and_its_users_and_is_sent_once(account: LocalAccount) -> None:
    account.clients.iam.create_user(UserName="Zoe")
    status, headers, body = request(account, "GET", "/_mfa-guard/state")
    state = json.loads(body)
    assert (status, state["stack"]["name"], state["totals"]["users"]) == (200, "mfa-guard", 2)
    assert [each["name"] for each in state["users"]] == ["carol", "Zoe"]
    assert request(account, "GET", "/_mfa-guard/state", {"If-None-Match": headers["ETag"]})[0] == 304


@pytest.mark.parametrize("path", ["sweep", "sign-in"])
def test_a_form_of_another_site_does_nothing(account: LocalAccount, recorder: Recorder, path: str) -> None:
    before = len(recorder.deliveries)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert request(account, "POST", f"/_mfa-guard/{path}", form, "user=carol")[0] == 404
    assert len(recorder.deliveries) == before


def test_an_unknown_action_is_not_found(account: LocalAccount) -> None:
    assert request(account, "POST", "/_mfa-guard/reset", COMMAND, "{}")[0] == 404


def test_the_command_sweep_runs_the_schedule(account: LocalAccount) -> None:
    code, output = run(account, "sweep")
    assert (code, output) == (0, "The schedule invoked SweepFunction. If the sweep finds news, it sends a digest.\n")
    wait_until_idle(account)
    assert account.activity.newest_first[0].function == "SweepFunction"


@pytest.mark.parametrize(("words", "mfa"), [(("sign-in",), "No"), (("sign-in", "carol", "--mfa"), "Yes")])
def test_the_command_sign_in_writes_the_record_of_a_sign_in(
    account: LocalAccount, words: tuple[str, ...], mfa: str
) -> None:
    with account.holding_events() as held:
        code, output = run(account, *words)
    user = words[1] if len(words) > 1 else "root"
    assert (code, output) == (0, f"{user} signed in {'with' if mfa == 'Yes' else 'without'} MFA.\n")
    [(envelope, _)] = held
    record = envelope["detail"]
    assert isinstance(record, Mapping)
    assert (record["eventName"], record["additionalEventData"]["MFAUsed"]) == ("ConsoleLogin", mfa)


def test_a_sign_in_of_an_unknown_user_is_one_line(account: LocalAccount) -> None:
    assert run(account, "sign-in", "mallory") == (2, "There is no user mallory.\n")
