"""`mfa-guard doctor`: why is my call denied?"""

import json
from datetime import timedelta

import pytest

from support.workstation import Workstation


def examined(workstation: Workstation, exit_code: int, **environment: str) -> dict[str, object]:
    """Return what doctor found."""
    ran = workstation.call("doctor", "--format", "json", **environment)
    assert ran.returncode == exit_code, ran.stderr
    found = json.loads(ran.stdout)
    assert isinstance(found, dict)
    return found


def test_a_key_alone_is_the_cause_and_a_session_the_next_step(dora: Workstation) -> None:
    found = examined(dora, 1)
    assert found["credentials"] == "long-term access key"
    assert found["mfa"] == "no"
    assert str(found["denied_by"]).endswith(":policy/EnrollMFADeviceThenSignInAgain")
    assert "mfa-guard session" in str(found["next"])


def test_without_a_device_enrolling_is_the_next_step(alice: Workstation) -> None:
    found = examined(alice, 1)
    assert found["devices"] == []
    assert "mfa-guard enroll" in str(found["next"])


def test_with_a_session_nothing_is_wrong(dora: Workstation) -> None:
    ran = dora.run("mfa-guard", "session", "--token", dora.code(), "--", "mfa-guard", "doctor", "--format", "json")
    assert ran.returncode == 0
    found = json.loads(ran.stdout)
    assert (found["mfa"], found["cause"]) == ("yes", None)
    assert [each["kind"] for each in found["devices"]] == ["authenticator app"]


def test_a_session_without_a_code_is_the_cause(dora: Workstation) -> None:
    given = json.loads(dora.run("aws", "sts", "get-session-token").stdout)["Credentials"]
    found = examined(
        dora,
        1,
        AWS_ACCESS_KEY_ID=given["AccessKeyId"],
        AWS_SECRET_ACCESS_KEY=given["SecretAccessKey"],
        AWS_SESSION_TOKEN=given["SessionToken"],
    )
    assert found["mfa"] == "no"
    assert found["cause"] == "The session was made without an MFA code."


def test_an_expired_session_is_the_cause(dora: Workstation) -> None:
    dora.call("session", "--token", dora.code(), "--duration", "900", "--write-profile", "mfa")
    dora.account.clock.advance(timedelta(minutes=20))
    found = examined(dora, 1, AWS_PROFILE="mfa")
    assert found["cause"] == "The session has expired."
    assert found["found_in"] == "credentials file, profile mfa"


def test_an_unknown_key_is_the_cause(dora: Workstation) -> None:
    found = examined(dora, 1, AWS_ACCESS_KEY_ID="AKIANOBODY", AWS_SECRET_ACCESS_KEY="x")
    assert found["identity"] is None
    assert "AKIANOBODY does not exist or is not active" in str(found["cause"])


def test_a_table_has_one_line_for_each_fact_and_ends_with_the_next_step(dora: Workstation) -> None:
    ran = dora.run("mfa-guard", "doctor")
    assert ran.returncode == 1
    names = ["Identity", "Credentials", "MFA", "Devices", "Clock", "Cause", "Next step"]
    assert [line.split("  ")[0] for line in ran.stdout.splitlines()] == names
    assert "\x1b" not in ran.stdout
    assert dora.key["secret"] not in ran.stdout


def test_without_credentials_it_is_one_sentence(dora: Workstation) -> None:
    ran = dora.call("doctor", AWS_SHARED_CREDENTIALS_FILE="/nowhere")
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (2, "", 1)


@pytest.mark.parametrize("profile", ["nowhere"])
def test_a_profile_that_does_not_exist_is_one_sentence(dora: Workstation, profile: str) -> None:
    ran = dora.call("doctor", "--profile", profile)
    assert (ran.returncode, ran.stderr.count("\n")) == (2, 1)
