"""What AWS's responses show."""

from datetime import timedelta
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from mfa_guard_cli.user.collect_facts import collect_facts, credentials_in_use
from mfa_guard_cli.user.diagnosis import CredentialsInUse, Response
from support.user import ALICE, APP, GUARD, ROLE, FakeAws, client_error, denied

KEY = CredentialsInUse("AKIAALICE", temporary=False, method="env", source="environment variables")


def test_an_enforced_user_is_denied_by_the_enforcement_policy() -> None:
    facts = collect_facts(FakeAws(refusals={"probe": denied(GUARD)}), KEY)
    assert (facts.caller, facts.probe, facts.devices) == (ALICE, Response.DENIED, [APP])
    assert facts.enforced


def test_a_user_who_is_not_enforced_is_not_denied() -> None:
    facts = collect_facts(FakeAws(), KEY)
    assert facts.probe is Response.OK
    assert not facts.enforced


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        ("ExpiredToken", Response.EXPIRED),
        ("InvalidClientTokenId", Response.UNKNOWN_KEY),
        ("SignatureDoesNotMatch", Response.BAD_SIGNATURE),
    ],
)
def test_a_caller_that_aws_does_not_identify(code: str, answer: Response) -> None:
    error = client_error(code, operation="GetCallerIdentity", date="Mon, 23 Nov 2020 12:00:00 GMT")
    facts = collect_facts(FakeAws(refusals={"whoami": error}), KEY)
    assert (facts.identified, facts.caller) == (answer, None)
    assert facts.skew is not None
    assert facts.skew > timedelta(days=365)


def test_a_session_without_a_code_is_not_asked_for_devices() -> None:
    aws = FakeAws(refusals={"probe": client_error("InvalidClientTokenId")})
    assert collect_facts(aws, KEY).devices is None
    assert aws.calls == []


def test_a_role_is_not_asked_for_devices() -> None:
    assert collect_facts(FakeAws(caller=ROLE), KEY).devices is None


def test_devices_are_unknown_without_permission() -> None:
    assert collect_facts(FakeAws(refusals={"devices": denied(explicit=False)}), KEY).devices is None


@pytest.mark.parametrize("call", ["whoami", "probe"])
def test_an_error_that_explains_nothing_is_raised(call: str) -> None:
    with pytest.raises(ClientError):
        collect_facts(FakeAws(refusals={call: client_error("Throttling")}), KEY)


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
        found = credentials_in_use(boto3.Session(profile_name="work"), {})
        assert found == CredentialsInUse(
            "AKIAWORK", temporary=False, method="shared-credentials-file", source=found.source
        )
        assert found.source == "credentials file, profile work"

    def test_variables_take_precedence_over_a_profile(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            monkeypatch.setenv(name, "x")
        found = credentials_in_use(boto3.Session(), {"AWS_PROFILE": "work"})
        assert found.temporary
        assert found.source == "environment variables, which take precedence over AWS_PROFILE=work"

    def test_no_credentials_are_botocores_error(self) -> None:
        with pytest.raises(NoCredentialsError):
            credentials_in_use(boto3.Session(), {})
