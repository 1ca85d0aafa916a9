"""What AWS's answers come to."""

from datetime import timedelta
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from mfa_guard_cli.user.diagnosis import Answer, Used
from mfa_guard_cli.user.examination import examine, used
from support.user import ALICE, APP, GUARD, ROLE, FakeAws, client_error, denied

KEY = Used("AKIAALICE", temporary=False, method="env", place="environment variables")


def test_a_bound_user_is_seen_with_the_policy_that_binds() -> None:
    facts = examine(FakeAws(refusals={"probe": denied(GUARD)}), KEY)
    assert (facts.caller, facts.probed, facts.devices) == (ALICE, Answer.DENIED, [APP])
    assert facts.bound


def test_a_user_who_is_not_bound_is_seen_too() -> None:
    facts = examine(FakeAws(), KEY)
    assert facts.probed is Answer.OK
    assert not facts.bound


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        ("ExpiredToken", Answer.EXPIRED),
        ("InvalidClientTokenId", Answer.UNKNOWN_KEY),
        ("SignatureDoesNotMatch", Answer.BAD_SIGNATURE),
    ],
)
def test_a_stranger_is_told_why(code: str, answer: Answer) -> None:
    error = client_error(code, operation="GetCallerIdentity", date="Mon, 23 Nov 2020 12:00:00 GMT")
    facts = examine(FakeAws(refusals={"whoami": error}), KEY)
    assert (facts.known, facts.caller) == (answer, None)
    assert facts.skew is not None
    assert facts.skew > timedelta(days=365)


def test_a_session_without_a_code_is_not_asked_for_devices() -> None:
    aws = FakeAws(refusals={"probe": client_error("InvalidClientTokenId")})
    assert examine(aws, KEY).devices is None
    assert aws.calls == []


def test_a_role_is_not_asked_for_devices() -> None:
    assert examine(FakeAws(caller=ROLE), KEY).devices is None


def test_devices_may_be_hidden() -> None:
    assert examine(FakeAws(refusals={"devices": denied(explicit=False)}), KEY).devices is None


@pytest.mark.parametrize("call", ["whoami", "probe"])
def test_what_explains_nothing_is_not_swallowed(call: str) -> None:
    with pytest.raises(ClientError):
        examine(FakeAws(refusals={call: client_error("Throttling")}), KEY)


class TestUsed:
    @pytest.fixture(autouse=True)
    def _configuration(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        (tmp_path / "credentials").write_text("[work]\naws_access_key_id = AKIAWORK\naws_secret_access_key = s\n")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    def test_a_profile_is_named(self) -> None:
        found = used(boto3.Session(profile_name="work"), {})
        assert found == Used("AKIAWORK", temporary=False, method="shared-credentials-file", place=found.place)
        assert found.place == "credentials file, profile work"

    def test_variables_that_come_before_a_profile_are_told_of(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            monkeypatch.setenv(name, "x")
        found = used(boto3.Session(), {"AWS_PROFILE": "work"})
        assert found.temporary
        assert found.place == "environment variables, which come before AWS_PROFILE=work"

    def test_no_credentials_are_botocores_error(self) -> None:
        with pytest.raises(NoCredentialsError):
            used(boto3.Session(), {})
