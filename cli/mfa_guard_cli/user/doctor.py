"""Diagnose why the caller's requests are denied, and print the facts, the cause and the next step."""

import os

import typer

from mfa_guard_cli.common.aws_session import open_session
from mfa_guard_cli.common.errors import FOUND
from mfa_guard_cli.common.options import Format
from mfa_guard_cli.common.output import print_facts, print_json
from mfa_guard_cli.user.account import Account
from mfa_guard_cli.user.clock_skew import in_words
from mfa_guard_cli.user.collect_facts import collect_facts, credentials_in_use
from mfa_guard_cli.user.diagnosis import Diagnosis, Facts, diagnose

_UNKNOWN = "unknown"


def diagnose_caller(profile: str | None, region: str | None, output_format: Format) -> None:
    """Print the diagnosis of the caller. Exits with 1 if there is a cause. Raises what botocore raises."""
    session = open_session(profile, region)
    facts = collect_facts(Account(session), credentials_in_use(session, os.environ))
    diagnosis = diagnose(facts)
    if output_format == "json":
        print_json(_as_json(facts, diagnosis))
    else:
        print_facts(_as_text(facts, diagnosis))
    if diagnosis.cause:
        raise typer.Exit(FOUND)


def _as_text(facts: Facts, diagnosis: Diagnosis) -> dict[str, str]:
    credentials = facts.credentials
    return {
        "Identity": facts.caller.arn if facts.caller else _UNKNOWN,
        "Credentials": f"{facts.credentials_kind} {credentials.access_key_id}, from {credentials.source}",
        "MFA": facts.mfa.value,
        "Devices": _devices(facts),
        "Clock": in_words(facts.skew) if facts.skew is not None else _UNKNOWN,
        "Cause": diagnosis.cause or "nothing is wrong",
        "Next step": diagnosis.next,
    }


def _devices(facts: Facts) -> str:
    if facts.devices is None:
        return _UNKNOWN
    return ", ".join(f"{device.serial} ({device.kind})" for device in facts.devices) or "none"


def _as_json(facts: Facts, diagnosis: Diagnosis) -> dict[str, object]:
    caller = facts.caller
    return {
        "identity": caller and caller.arn,
        "principal": caller and caller.principal.value,
        "account": caller and caller.account,
        "credentials": facts.credentials_kind,
        "access_key_id": facts.credentials.access_key_id,
        "found_in": facts.credentials.source,
        "mfa": facts.mfa.value,
        "denied_by": facts.refusal.policy if facts.refusal else None,
        "devices": None
        if facts.devices is None
        else [{"serial_number": device.serial, "kind": device.kind.value} for device in facts.devices],
        "clock_skew_seconds": None if facts.skew is None else int(facts.skew.total_seconds()),
        "cause": diagnosis.cause,
        "next": diagnosis.next,
    }
