"""The whole command: what it shows of an account, which calls it makes, and how it ends."""

import csv
import io
import json
import os
import re
import shlex
import sys
from pathlib import Path

import pexpect
import pytest
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.compat import HTTPHeaders
from moto.core.botocore_stubber import MockRawResponse

from mfa_guard.core.settings import EnforceOn, WorkingMachineUsers
from mfa_guard_cli.preview.account_reader import PERMISSIONS
from mfa_guard_cli.preview.advice import exempt_command
from mfa_guard_cli.preview.model import DeviceKind, MfaMethod, Outcome, UserKind
from mfa_guard_cli.stack.template import Stack
from mfa_guard_emulator.demo.population import names, populate
from support.account import ADMINISTRATOR
from support.deployed import deploy
from support.factories import ACCOUNT, ROOT_OF_THE_PROJECT
from support.preview_command import Command

PASSKEY = f"arn:aws:iam::{ACCOUNT}:u2f/user/pat/key"
TOKEN = "GAHT12345678"


def forecasts(command: Command, *arguments: str) -> dict[str, dict[str, object]]:
    result = command.run("--format", "json", *arguments)
    return {each["user"]: each for each in json.loads(result.stdout)["users"]}


def documentation() -> str:
    pages = (ROOT_OF_THE_PROJECT / "README.md", *(ROOT_OF_THE_PROJECT / "docs").glob("*.md"))
    return "\n".join(page.read_text("utf-8") for page in pages)


class TestPopulation:
    """The 200 users of the demo, whose names say what they have."""

    @pytest.fixture
    def population(self, command: Command) -> Command:
        command.account.iam.delete_login_profile(ADMINISTRATOR)
        populate(command.account)
        return command

    def test_the_outcome_of_every_user_follows_from_what_they_have(self, population: Command) -> None:
        users = forecasts(population, "--exempt-path-prefixes", "/partners/")
        assert len(users) == 200
        expected = {
            Outcome.KEYS_STOP: {"phone, key in use"},
            Outcome.READY: {"password, passkey"},
            Outcome.ENROLL: {
                "password only",
                "tagged long ago",
                "exempt by table",
                "10 policies",
                "10 policies and groups",
            },
            Outcome.DECIDE: {"key in use only"},
            Outcome.IDLE: {"idle key only", "nothing"},
            Outcome.EXEMPT: {"exempt by path"},
            Outcome.ENFORCED_ALREADY: {"exempt, enforced"},
        }
        for outcome, labels in expected.items():
            assert {users[name]["outcome"] for name in names(*labels)} == {outcome}
        assert {users[name]["outcome"] for name in names("password, phone") if name != ADMINISTRATOR} == {Outcome.READY}
        assert {users[name]["mfa"] for name in names("password, passkey")} == {MfaMethod.PASSKEY_ONLY}
        assert {users[name]["kind"] for name in names("idle key only", "nothing")} == {UserKind.UNUSED}

    def test_it_makes_a_call_for_each_page_and_for_each_user_with_passkeys_only(self, population: Command) -> None:
        passkeys = len(list(names("password, passkey")))
        for rows, pages, virtual in ((1000, 1, 1), (100, 2, 1)):
            population.account.iam_reads.limit_pages(rows)
            assert population.run().exit_code == 0
            assert population.calls["GetAccountAuthorizationDetails"] == pages
            assert population.calls["ListVirtualMFADevices"] == virtual
            assert population.calls["ListMFADevices"] == passkeys
            assert population.calls["GetCallerIdentity"] == population.calls["GetCredentialReport"] == 1
            # The caller, the request for the report, and the report, which the first run has to request twice.
            first = 1 if rows == 1000 else 0
            assert population.calls.total() == pages + virtual + passkeys + 3 + first

    def test_the_documentation_counts_the_calls(self, population: Command) -> None:
        population.run()
        text = " ".join(documentation().split())
        assert f"{population.calls.total()} calls for the 200 users of the demo" in text

    def test_no_user_is_changed(self, population: Command) -> None:
        backend = population.account.iam
        before = {
            name: (dict(user.managed_policies), list(user.tags or []), set(user.mfa_devices))
            for name, user in backend.users.items()
        }
        population.run()
        after = {
            name: (dict(user.managed_policies), list(user.tags or []), set(user.mfa_devices))
            for name, user in backend.users.items()
        }
        assert before == after

    def test_it_advises_to_exempt_active_machine_users(self, population: Command) -> None:
        output = population.run().stdout
        assert "ExemptPathPrefixes=/partners/" in output
        for name in names("key in use only"):
            assert f"  {exempt_command(name)}\n" in output


class TestUsers:
    def test_devices_have_their_kind(self, command: Command) -> None:
        iam = command.account.iam
        command.add_person("pat", PASSKEY)
        command.add_person("tom", TOKEN)
        command.add_person("vic", iam.create_virtual_mfa_device("phone", "/").serial_number)
        command.add_person("non")
        users = forecasts(command)
        assert {name: users[name]["mfa_devices"] for name in ("pat", "tom", "vic", "non")} == {
            "pat": [DeviceKind.PASSKEY],
            "tom": [DeviceKind.TOTP_TOKEN],
            "vic": [DeviceKind.TOTP_APP],
            "non": [],
        }

    def test_the_last_use_of_a_key_is_shown(self, command: Command) -> None:
        command.add_machine("bot")
        rows = {row["user"]: row for row in csv.DictReader(io.StringIO(command.run("--format", "csv").stdout))}
        assert (rows["bot"]["key_1_last_service"], rows["bot"]["key_1_last_region"]) == ("s3", "us-east-1")

    def test_the_callers_own_user_comes_first_with_a_warning(self, command: Command) -> None:
        command.add_person("aaron")
        result = command.run()
        lines = result.stdout.splitlines()
        assert lines[1].startswith(f"{ADMINISTRATOR} <- these credentials")
        credentials = command.account.session.get_credentials()
        assert credentials is not None
        assert re.search(rf"WARNING: .*\(ending in {credentials.access_key[-4:]}\) stops working", result.stdout)

    def test_users_who_are_deleted_meanwhile_are_left_out(self, command: Command) -> None:
        command.add_person("pat", PASSKEY)
        command.faults.failing = {"ListMFADevices": "NoSuchEntity"}
        result = command.run("--format", "json")
        assert [each["user"] for each in json.loads(result.stdout)["users"]] == [ADMINISTRATOR]
        assert result.exit_code == 0

    def test_settings_are_those_of_the_template(self, command: Command, stack: Stack) -> None:
        answered = json.loads(command.run("--format", "json").stdout)["parameters"]
        assert answered == {name: stack.parameters[name] for name in answered}

    def test_options_change_the_settings(self, command: Command) -> None:
        command.add_machine("bot", "/ci/")
        assert forecasts(command)["bot"]["outcome"] == Outcome.DECIDE
        assert forecasts(command, "--working-machine-users", WorkingMachineUsers.ENFORCE)["bot"]["outcome"] == (
            Outcome.KEYS_STOP
        )
        assert forecasts(command, "--exempt-path-prefixes", "/ci/")["bot"]["outcome"] == Outcome.EXEMPT
        command.account.iam.create_user("us-east-1", "idle")
        command.account.iam_reads.become_consistent()
        assert forecasts(command, "--enforce-on", EnforceOn.CONSOLE)["idle"]["outcome"] == Outcome.REPORTED

    def test_the_advised_command_runs_as_printed(self, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
        command.add_machine("bot")
        [advised] = json.loads(command.run("--format", "json").stdout)["advice"]["exempt_users"]
        command.account.iam.delete_login_profile(ADMINISTRATOR)
        deployed = deploy(command.account, monkeypatch)
        program, *arguments = shlex.split(advised["command"])
        assert (program, deployed.run(*arguments, "--yes").exit_code) == ("mfa-guard", 0)
        record = deployed.record(command.account.iam.users["bot"].id) or {}
        assert (record["owner"], record["reason"]) == ("OWNER", "REASON")


class TestFormats:
    def test_csv_has_a_line_for_every_user_and_no_formulas(self, command: Command) -> None:
        command.add_person("=cmd")
        rows = list(csv.DictReader(io.StringIO(command.run("--format", "csv").stdout)))
        assert [row["user"] for row in rows] == [ADMINISTRATOR, "'=cmd"]

    def test_output_has_no_color_and_no_progress_without_a_terminal(self, command: Command) -> None:
        result = command.run()
        assert "\x1b" not in result.output
        assert result.stderr == ""

    def test_names_cannot_control_the_terminal(self, command: Command) -> None:
        command.account.iam.create_user("us-east-1", "eve\u202eil")
        output = command.run().stdout
        assert "\u202e" not in output
        assert r"eve\u202eil" in output


class TestPermissions:
    @pytest.fixture
    def full(self, command: Command) -> Command:
        """Return an account that needs every kind of call."""
        command.add_person("pat", PASSKEY)
        command.add_person("vic", command.account.iam.create_virtual_mfa_device("phone", "/").serial_number)
        return command

    def test_it_makes_the_declared_calls_only(self, full: Command) -> None:
        assert full.run().exit_code == 0
        assert {f"iam:{call}" for call in full.calls if call != "GetCallerIdentity"} == set(PERMISSIONS)

    def test_the_documentation_has_them_as_a_policy(self) -> None:
        blocks = re.findall(r"```json\n(.*?)```", documentation(), re.DOTALL)
        [policy] = [json.loads(block) for block in blocks if "iam:ListMFADevices" in block]
        [statement] = policy["Statement"]
        assert sorted(statement["Action"]) == sorted(PERMISSIONS)
        assert (statement["Effect"], statement["Resource"]) == ("Allow", "*")

    def test_without_the_list_of_users_it_fails(self, full: Command) -> None:
        full.faults.failing = {"GetAccountAuthorizationDetails": "AccessDenied"}
        result = full.run()
        assert (result.exit_code, result.stdout) == (3, "")
        assert "iam:GetAccountAuthorizationDetails" in result.stderr
        assert result.stderr.count("\n") == 1

    def test_without_the_report_outcomes_are_unknown(self, full: Command) -> None:
        full.faults.failing = {"GetCredentialReport": "AccessDenied"}
        result = full.run("--format", "json")
        answer = json.loads(result.stdout)
        assert result.exit_code == 1
        assert {each["outcome"] for each in answer["users"]} == {Outcome.UNKNOWN}
        assert {each["user"]: each["mfa"] for each in answer["users"]} == {
            ADMINISTRATOR: MfaMethod.UNKNOWN,
            "pat": MfaMethod.UNKNOWN,
            "vic": MfaMethod.TOTP,
        }
        assert "iam:GetCredentialReport is missing" in answer["notes"][0]

    def test_without_a_new_report_it_uses_an_older_one(self, full: Command) -> None:
        full.run()
        full.faults.failing = {"GenerateCredentialReport": "AccessDenied"}
        result = full.run("--format", "json")
        answer = json.loads(result.stdout)
        assert result.exit_code == 0
        assert {each["kind"] for each in answer["users"]} == {UserKind.PERSON}
        assert "iam:GenerateCredentialReport is missing" in answer["notes"][0]

    def test_without_a_new_report_there_may_be_none(self, full: Command) -> None:
        full.faults.failing = {"GenerateCredentialReport": "AccessDenied"}
        result = full.run()
        assert result.exit_code == 1
        assert "IAM has no credential report." in result.stdout

    def test_without_the_list_of_virtual_devices_kinds_are_unknown(self, full: Command) -> None:
        full.faults.failing = {"ListVirtualMFADevices": "AccessDenied"}
        result = full.run("--format", "json")
        users = {each["user"]: each for each in json.loads(result.stdout)["users"]}
        assert result.exit_code == 1
        assert users["vic"]["mfa_devices"] == users["pat"]["mfa_devices"] == [DeviceKind.UNREAD]
        assert users["vic"]["outcome"] == Outcome.READY
        assert full.calls["ListMFADevices"] == 0

    def test_it_stops_reading_devices_of_single_users_after_the_first_refusal(self, full: Command) -> None:
        full.add_person("quinn", TOKEN)
        full.faults.failing = {"ListMFADevices": "AccessDenied"}
        result = full.run("--format", "csv")
        assert result.exit_code == 1
        assert full.calls["ListMFADevices"] == 1
        assert "iam:ListMFADevices" in result.stderr
        assert "2 users" in result.stderr

    @pytest.mark.parametrize(
        "call",
        [
            "GetCallerIdentity",
            "GenerateCredentialReport",
            "GetAccountAuthorizationDetails",
            "ListVirtualMFADevices",
            "GetCredentialReport",
        ],
    )
    def test_any_other_failure_ends_it_in_one_sentence(self, full: Command, call: str) -> None:
        full.faults.failing = {call: "ServiceFailure"}
        result = full.run()
        assert (result.exit_code, result.stdout) == (3, "")
        [sentence] = result.stderr.splitlines()
        assert call in sentence
        assert "ServiceFailure by the test" in sentence


class TestExitCodes:
    def test_0_even_if_users_have_no_mfa(self, command: Command) -> None:
        command.add_person("nodevice")
        command.add_machine("bot")
        assert command.run().exit_code == 0

    def test_1_for_a_user_who_is_newer_than_the_report(self, command: Command) -> None:
        command.run()
        command.add_person("new")
        result = command.run()
        assert result.exit_code == 1
        assert "Some data about 1 user could not be read." in result.stdout

    def test_1_for_a_report_that_takes_too_long(self, command: Command) -> None:
        command.account.iam_reads.report.polls = 100
        result = command.run()
        assert result.exit_code == 1
        assert "IAM did not finish the credential report in 120 seconds" in result.stdout
        assert command.calls["GenerateCredentialReport"] == 7

    def test_1_for_an_unreadable_report(self, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
        command.run()
        monkeypatch.setattr(command.account.iam_reads.report, "_content", "user,mfa_enabled\nalice,true")
        result = command.run()
        assert result.exit_code == 1
        assert "The credential report has no column" in result.stdout

    def test_1_for_an_unreadable_row(self, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
        command.run()
        report = command.account.iam_reads.report
        monkeypatch.setattr(report, "_content", report._content.replace(f"user/{ADMINISTRATOR},2", "user/x,x2"))
        result = command.run()
        assert result.exit_code == 1
        assert "left out: 1." in result.stdout

    @pytest.mark.parametrize("paths", ["/", "svc", "/svc", "/a/, /b/", "/a//b/"])
    def test_2_for_a_path_that_the_template_refuses_before_any_call(self, command: Command, paths: str) -> None:
        result = command.run("--exempt-path-prefixes", paths)
        assert (result.exit_code, result.stdout, command.faults.made) == (2, "", [])
        assert f"ExemptPathPrefixes does not allow {paths!r}" in result.stderr

    def test_2_for_a_file_that_is_not_a_page_before_any_call(self, command: Command, tmp_path: Path) -> None:
        file = tmp_path / "notes.html"
        file.write_text("mine")
        result = command.run("--html", str(file))
        assert (result.exit_code, command.faults.made, file.read_text("utf-8")) == (2, [], "mine")

    def test_help_explains_each(self, command: Command) -> None:
        text = " ".join(command.run("--help").stdout.split())
        assert all(f"{code} " in text.partition("Exit codes:")[2] for code in range(4))


def test_the_page_is_written_in_addition_to_the_table(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    for _ in range(2):
        result = command.run("--html", str(file))
        assert result.exit_code == 0
        assert "USER" in result.stdout
        assert str(file) in result.stderr
    assert f'<td data-label="User" data-sort="{ADMINISTRATOR}">' in file.read_text("utf-8")


def test_a_throttled_call_is_tried_again(command: Command) -> None:
    throttled: list[str] = []

    def throttle(request: AWSRequest, **_: object) -> AWSResponse | None:
        if throttled:
            return None
        throttled.append(str(request.url))
        body = b"<ErrorResponse><Error><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>"
        return AWSResponse(str(request.url), 400, HTTPHeaders(), MockRawResponse(body))

    command.account.session.events.register_first("before-send.iam.GetAccountAuthorizationDetails", throttle)  # type: ignore[arg-type]
    assert command.run().exit_code == 0
    assert len(throttled) == 1


_ON_A_TERMINAL = """
from support.account import open_account
from mfa_guard_cli.main import app
from mfa_guard_cli.common import aws_session as session
from mfa_guard_cli.stack.template import load_template
with open_account(load_template().render()) as account:
    session.open_session = lambda profile, region: account.session
    app(["preview"])
"""


def test_progress_is_shown_on_a_terminal_and_removed_at_the_end() -> None:
    environment = os.environ | {"TERM": "xterm", "PYTHONPATH": os.pathsep.join(sys.path)}
    program = pexpect.spawn(sys.executable, ["-c", _ON_A_TERMINAL], env=environment, timeout=60)
    program.expect(pexpect.EOF)
    shown = program.before
    assert b"credential report" in shown
    assert b"\x1b[2K" in shown
    assert b"would be enforced" in shown
