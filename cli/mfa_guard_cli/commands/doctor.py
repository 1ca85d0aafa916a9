"""`mfa-guard doctor`: why is my call denied?"""

import os
from typing import TYPE_CHECKING

import typer

from mfa_guard_cli.common.errors import FOUND
from mfa_guard_cli.common.options import AsFormat, Format, Profile, Region

if TYPE_CHECKING:
    from mfa_guard_cli.user.diagnosis import Diagnosis, Facts


def doctor(profile: Profile = None, region: Region = None, format_: AsFormat = Format.TABLE) -> None:
    """Say why your calls are denied: who you are, with what credentials, whether they carry MFA, and the next step.

    Reads only. One of its calls is what the enforcement policy denies without MFA, so CloudTrail may show a denied
    iam:ListAccountAliases. Exit codes: 0 nothing is wrong, 1 the cause was found, 2 wrong use, 3 AWS said no.
    """
    # Half a second, which --help does not need.
    from mfa_guard_cli.common.aws_session import open_session
    from mfa_guard_cli.common.output import print_facts, print_json
    from mfa_guard_cli.user.account import Account
    from mfa_guard_cli.user.diagnosis import diagnose
    from mfa_guard_cli.user.examination import examine, used

    session = open_session(profile, region)
    facts = examine(Account(session), used(session, os.environ))
    diagnosis = diagnose(facts)
    if format_ is Format.JSON:
        print_json(_as_json(facts, diagnosis))
    else:
        print_facts(_as_text(facts, diagnosis))
    if diagnosis.cause:
        raise typer.Exit(FOUND)


def _as_text(facts: "Facts", diagnosis: "Diagnosis") -> dict[str, str]:
    from mfa_guard_cli.user.clock_skew import in_words

    if facts.devices is None:
        devices = "not known"
    else:
        devices = ", ".join(f"{device.serial} ({device.kind})" for device in facts.devices) or "none"
    return {
        "Identity": facts.caller.arn if facts.caller else "not known",
        "Credentials": f"{facts.credentials} {facts.used.access_key_id}, from {facts.used.place}",
        "MFA": facts.mfa.value,
        "Devices": devices,
        "Clock": in_words(facts.skew) if facts.skew is not None else "not known",
        "Cause": diagnosis.cause or "nothing is wrong",
        "Next step": diagnosis.next,
    }


def _as_json(facts: "Facts", diagnosis: "Diagnosis") -> dict[str, object]:
    caller = facts.caller
    return {
        "identity": caller and caller.arn,
        "principal": caller and caller.principal.value,
        "account": caller and caller.account,
        "credentials": facts.credentials,
        "access_key_id": facts.used.access_key_id,
        "found_in": facts.used.place,
        "mfa": facts.mfa.value,
        "denied_by": facts.refusal.policy if facts.refusal else None,
        "devices": None
        if facts.devices is None
        else [{"serial_number": device.serial, "kind": device.kind.value} for device in facts.devices],
        "clock_skew_seconds": None if facts.skew is None else int(facts.skew.total_seconds()),
        "cause": diagnosis.cause,
        "next": diagnosis.next,
    }
