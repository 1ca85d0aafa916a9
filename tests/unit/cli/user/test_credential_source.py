"""The access key that a session is made from."""

import json
import os
from pathlib import Path

import pytest
from botocore.exceptions import ProfileNotFound

from mfa_guard_cli.common.errors import WrongUse
from mfa_guard_cli.user.credential_source import access_key_id, check_target_profile, location_variables, open_source
from mfa_guard_cli.user.session_environment import WAITING_PROFILES

CONFIG = """\
[default]
region = eu-west-1
[profile mfa]
credential_process = /usr/local/bin/mfa-guard session --credential-process
[profile windows]
credential_process = "C:\\Program Files\\mfa-guard.exe" session --credential-process
[profile module]
credential_process = python -m mfa_guard_cli.main session --credential-process
[profile below]
credential_process = mfa-guard session --credential-process --profile below
aws_access_key_id = AKIABELOW
aws_secret_access_key = s
[profile above]
credential_process = mfa-guard session --credential-process --profile above
[profile other]
credential_process = echo {other}
[profile role]
role_arn = arn:aws:iam::111122223333:role/Deployer
source_profile = mfa
[profile sso]
sso_start_url = https://example.awsapps.com/start
sso_region = us-east-1
sso_account_id = 111122223333
sso_role_name = Reader
[profile work]
region = eu-central-1
endpoint_url = http://localhost:4566
"""
CREDENTIALS = """\
[default]
aws_access_key_id = AKIADEFAULT
aws_secret_access_key = s
[work]
aws_access_key_id = AKIAWORK
aws_secret_access_key = s
[above]
aws_access_key_id = AKIAABOVE
aws_secret_access_key = s
[session]
aws_access_key_id = ASIASESSION
aws_secret_access_key = s
aws_session_token = t
"""
OTHER = json.dumps({"Version": 1, "AccessKeyId": "AKIAOTHER", "SecretAccessKey": "s"})


@pytest.fixture(autouse=True)
def _configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name, text in (("CONFIG", CONFIG.format(other=json.dumps(OTHER))), ("SHARED_CREDENTIALS", CREDENTIALS)):
        path = tmp_path / name
        path.write_text(text)
        monkeypatch.setenv(f"AWS_{name}_FILE", str(path))


def found(
    profile: str | None = None, *, inherit_profile: bool = False, environment: dict[str, str] | None = None
) -> str:
    environment = {} if environment is None else environment
    return access_key_id(open_source(profile, None, inherit_profile=inherit_profile, environment=environment))


def test_the_named_profile_is_the_source() -> None:
    assert found("work") == "AKIAWORK"


def test_without_a_name_it_is_the_default_profile() -> None:
    assert found() == "AKIADEFAULT"


@pytest.mark.parametrize("variable", ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"])
def test_an_inherited_profile_counts_only_if_it_may(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "work")
    assert found(inherit_profile=True) == "AKIAWORK"
    assert found(inherit_profile=False) == "AKIADEFAULT"


def test_an_inherited_profile_that_calls_mfa_guard_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "mfa")
    assert found() == "AKIADEFAULT"


def test_a_key_in_the_environment_is_a_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    assert found(environment={"AWS_ACCESS_KEY_ID": "AKIAENV"}) == "AKIAENV"
    assert found("work", environment={"AWS_ACCESS_KEY_ID": "AKIAENV"}) == "AKIAWORK"


def test_another_programs_credential_process_is_a_source() -> None:
    assert found("other") == "AKIAOTHER"


@pytest.mark.parametrize("profile", ["mfa", "windows", "module", "below"])
def test_a_profile_that_calls_mfa_guard_is_refused_before_it_is_called(profile: str) -> None:
    with pytest.raises(WrongUse, match="from mfa-guard itself"):
        found(profile)


def test_a_key_in_the_credentials_file_comes_before_the_process() -> None:
    assert found("above") == "AKIAABOVE"


def test_a_profile_that_waits_for_this_very_session_is_refused() -> None:
    with pytest.raises(WrongUse, match="from mfa-guard itself"):
        found("work", environment={WAITING_PROFILES: '["work"]'})


def test_a_profile_that_waits_is_recorded_for_child_processes() -> None:
    environment = {WAITING_PROFILES: '["outer"]'}
    found("work", environment=environment)
    assert json.loads(environment[WAITING_PROFILES]) == ["outer", "work"]


@pytest.mark.parametrize("variable", ["", "nonsense", '"text"', "[1]"])
def test_a_malformed_variable_is_ignored(variable: str) -> None:
    assert found("work", environment={WAITING_PROFILES: variable} if variable else {}) == "AKIAWORK"


@pytest.mark.parametrize(
    ("profile", "why"),
    [
        ("session", "already holds a session"),
        ("role", "assumes a role"),
        ("sso", "signs in through IAM Identity Center"),
    ],
)
def test_only_an_access_key_is_a_source(profile: str, why: str) -> None:
    with pytest.raises(WrongUse, match=why):
        found(profile)


def test_a_session_in_the_environment_is_refused_with_the_next_step(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "x")
    with pytest.raises(WrongUse, match="unset AWS_SESSION_TOKEN"):
        found(environment={"AWS_ACCESS_KEY_ID": "x"})


def test_without_a_key_it_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(WrongUse, match="no access key"):
        found()


def test_a_profile_that_does_not_exist_is_botocores_error() -> None:
    with pytest.raises(ProfileNotFound):
        found("nowhere")


class TestTarget:
    def refuse(self, name: str, profile: str | None = "work") -> None:
        check_target_profile(open_source(profile, None, inherit_profile=False, environment=dict(os.environ)), name)

    @pytest.mark.parametrize("name", ["fresh", "session", "default"])
    def test_a_session_can_be_written_to_a_profile_of_its_own(self, name: str) -> None:
        self.refuse(name)

    @pytest.mark.parametrize("name", ["mfa", "role", "sso"])
    def test_a_profile_with_another_source_of_credentials_is_refused(self, name: str) -> None:
        with pytest.raises(WrongUse, match="gets its credentials from its"):
            self.refuse(name)

    def test_the_source_is_no_target(self) -> None:
        with pytest.raises(WrongUse, match="the session is made from"):
            self.refuse("work")

    def test_a_key_in_the_environment_leaves_the_default_profile_free(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAENV")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
        self.refuse("default", profile=None)


class TestLocationVariables:
    def of(self, profile: str, region: str | None = None, **environment: str) -> dict[str, str]:
        session = open_source(profile, region, inherit_profile=False, environment={})
        return dict(location_variables(session, region, environment))

    def test_a_command_works_where_the_profile_says(self) -> None:
        assert self.of("work") == {
            "AWS_REGION": "eu-central-1",
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_ENDPOINT_URL": "http://localhost:4566",
        }

    def test_a_command_reads_the_default_profile_itself(self) -> None:
        assert self.of("default") == {}

    def test_what_the_environment_says_stays(self) -> None:
        assert self.of("work", AWS_REGION="us-west-2", AWS_ENDPOINT_URL="http://localhost:1") == {}

    def test_what_was_asked_for_wins(self) -> None:
        regions = self.of("default", "us-west-2", AWS_REGION="eu-west-1")
        assert regions == {"AWS_REGION": "us-west-2", "AWS_DEFAULT_REGION": "us-west-2"}
