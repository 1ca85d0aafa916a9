"""Credentials as SDKs, commands and shells get them."""

import json
import subprocess
from datetime import datetime

import pytest

from mfa_guard_cli.user.credential_output import credential_process_json, shell_lines
from mfa_guard_cli.user.credentials import Credentials
from mfa_guard_cli.user.session_environment import WAITING_PROFILES, command_environment, session_variables
from support.user import NOW, credentials

HOSTILE = Credentials("ASIA'; touch /tmp/x; '", 'se"cret $(id) `id` \\', "to ken\n!", NOW)


def test_a_credential_process_prints_version_one_and_a_time_as_iso_8601() -> None:
    # https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html
    printed = json.loads(credential_process_json(credentials()))
    assert set(printed) == {"Version", "AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"}
    assert printed["Version"] == 1
    assert printed["Expiration"].endswith("Z")
    assert datetime.fromisoformat(printed["Expiration"]) == credentials().expiration


def test_a_command_gets_the_session_and_no_profile() -> None:
    given = {
        "PATH": "/bin",
        "AWS_PROFILE": "work",
        "AWS_DEFAULT_PROFILE": "work",
        "AWS_SECURITY_TOKEN": "old",
        "AWS_CREDENTIAL_EXPIRATION": "2020-01-01T00:00:00Z",
        "AWS_ACCESS_KEY_ID": "AKIAALICE",
        WAITING_PROFILES: '["work"]',
    }
    assert command_environment(given, session_variables(credentials(), {"AWS_REGION": "eu-west-1"})) == {
        "PATH": "/bin",
        "AWS_ACCESS_KEY_ID": "ASIASESSION",
        "AWS_SECRET_ACCESS_KEY": "secret of session",
        "AWS_SESSION_TOKEN": "token of session",
        "AWS_CREDENTIAL_EXPIRATION": "2026-11-24T00:00:00Z",
        "AWS_REGION": "eu-west-1",
    }


@pytest.mark.parametrize("given", [credentials(), HOSTILE])
def test_a_shell_gets_every_value_as_it_is(given: Credentials) -> None:
    lines = shell_lines("sh", session_variables(given, {}))
    script = 'set -eu; AWS_PROFILE=work; eval "$1"; env -0; test -z "${AWS_PROFILE-}"'
    ran = subprocess.run(["/bin/sh", "-c", script, "sh", lines], capture_output=True, check=True, text=True)
    found = dict(line.split("=", 1) for line in ran.stdout.split("\0") if "=" in line)
    assert found["AWS_ACCESS_KEY_ID"] == given.access_key_id
    assert found["AWS_SECRET_ACCESS_KEY"] == given.secret_access_key
    assert found["AWS_SESSION_TOKEN"] == given.session_token


def test_fish_has_its_own_quoting() -> None:
    # https://fishshell.com/docs/current/language.html#quotes: within '', only \' and \\ are special.
    assert "set -gx AWS_SECRET_ACCESS_KEY 'it\\'s \\\\'" in shell_lines("fish", {"AWS_SECRET_ACCESS_KEY": "it's \\"})
    assert "set -e AWS_PROFILE" in shell_lines("fish", {})


def test_powershell_has_its_own_quoting() -> None:
    # about_Quoting_Rules: within '', only a doubled quote is special.
    lines = shell_lines("powershell", {"AWS_SECRET_ACCESS_KEY": "it's $x"})
    assert "$Env:AWS_SECRET_ACCESS_KEY = 'it''s $x'" in lines
    assert "Remove-Item Env:AWS_PROFILE" in lines
