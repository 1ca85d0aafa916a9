"""The environment variables of a session: what a command gets, what it must not get, and which profiles wait."""

import json
from collections.abc import Mapping, MutableMapping
from datetime import UTC
from typing import Final

from mfa_guard_cli.user.credentials import Credentials

# SDKs would prefer these to the session's variables, or mix them up. AWS_SECURITY_TOKEN is an old name of
# AWS_SESSION_TOKEN, and botocore prefers it.
CONFLICTING: Final = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SECURITY_TOKEN")
# The profiles whose mfa-guard session waits for this process, outermost first, as JSON. It keeps a credential_process
# from waiting for itself.
WAITING_PROFILES: Final = "MFA_GUARD_SESSION_OF"


def expiration_text(credentials: Credentials) -> str:
    """Return when the credentials expire, in ISO 8601."""
    return credentials.expiration.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def session_variables(credentials: Credentials, location: Mapping[str, str]) -> Mapping[str, str]:
    """Return the environment variables of a session, and those of its location (region and endpoint)."""
    return {
        "AWS_ACCESS_KEY_ID": credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
        "AWS_SESSION_TOKEN": credentials.session_token,
        "AWS_CREDENTIAL_EXPIRATION": expiration_text(credentials),
        **location,
    }


def command_environment(inherited: Mapping[str, str], variables: Mapping[str, str]) -> Mapping[str, str]:
    """Return the environment for a command: the inherited one without profiles, and the session's variables."""
    removed = (*CONFLICTING, WAITING_PROFILES)
    return {name: value for name, value in inherited.items() if name not in removed} | dict(variables)


def waiting_profiles(environment: Mapping[str, str]) -> list[str]:
    """Return the profiles that wait for this process. A variable that mfa-guard did not write counts as none."""
    try:
        names = json.loads(environment.get(WAITING_PROFILES, "[]"))
    except ValueError:
        return []
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def add_waiting_profile(environment: MutableMapping[str, str], profile: str) -> None:
    """Record that a profile waits for every process that is started from here on."""
    environment[WAITING_PROFILES] = json.dumps([*waiting_profiles(environment), profile])
