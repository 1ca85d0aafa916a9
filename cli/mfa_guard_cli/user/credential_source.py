"""The source of a session: a boto3 session with a long-term access key."""

import os
import re
import shlex
from collections.abc import Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Final

from mfa_guard_cli.common.aws_session import open_session
from mfa_guard_cli.common.errors import WrongUse
from mfa_guard_cli.common.output import printable
from mfa_guard_cli.user.session_environment import add_waiting_profile, waiting_profiles

if TYPE_CHECKING:
    import boto3
    import botocore.session

_DEFAULT: Final = "default"
# This program as a word of a command line, by all of its names.
_THIS_PROGRAM: Final = re.compile(r"(?:^|[/\\\\])mfa-guard(?:\.exe)?$|^mfa_guard_cli(?:\.main)?$")
# By botocore's word for the source of credentials: the sources that provide a session.
_SESSION_SOURCES: Final[Mapping[str, str]] = {
    "assume-role": "assumes a role",
    "assume-role-with-web-identity": "assumes a role",
    "sso": "signs in through IAM Identity Center",
    "login": "signs in with aws login",
    "iam-role": "is the machine's role",
    "container-role": "is the container's role",
}
# Settings of a profile that provide credentials. All but the last take precedence over keys in the credentials file;
# the last replaces keys that have expired.
_CREDENTIAL_SETTINGS: Final = (
    "role_arn",
    "web_identity_token_file",
    "sso_session",
    "sso_start_url",
    "login_session",
    "credential_process",
)
# Settings of a profile, and the environment variables with the same meaning.
_LOCATION_VARIABLES: Final[Mapping[str, Sequence[str]]] = {
    "region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
    "endpoint_url": ("AWS_ENDPOINT_URL",),
}
_NO_KEY: Final = (
    "Profile {profile} {source}, but a session is made from a user's access key; name the profile of that key with"
    " --profile."
)


def open_source(
    profile: str | None, region: str | None, *, inherit_profile: bool, environment: MutableMapping[str, str]
) -> "boto3.Session":
    """Return a session whose credentials are a long-term access key, and record in the environment that it waits.

    `inherit_profile`: AWS_PROFILE counts if `profile` is None. It must not count in a credential_process, where it can
    name the very profile that waits for the answer. Raises WrongUse, and botocore's ProfileNotFound.
    """
    session = open_session(profile, region, inherit_profile=inherit_profile)
    if profile is not None or not environment.get("AWS_ACCESS_KEY_ID"):
        _check_profile(session, session.profile_name or _DEFAULT, environment)
    credentials = session.get_credentials()
    name = printable(session.profile_name or _DEFAULT)
    if credentials is None:
        raise WrongUse(
            f"There is no access key in the environment or in profile {name}; name another profile with --profile."
        )
    if source := _SESSION_SOURCES.get(credentials.method):
        raise WrongUse(_NO_KEY.format(profile=name, source=source))
    if credentials.token and credentials.method == "env":
        raise WrongUse(
            "The environment already holds a session, and AWS makes no session from a session; name the profile of your"
            " access key with --profile, or unset AWS_SESSION_TOKEN and the keys that belong to it."
        )
    if credentials.token:
        raise WrongUse(_NO_KEY.format(profile=name, source="already holds a session"))
    return session


def _core_of(session: "boto3.Session") -> "botocore.session.Session":
    return session._session  # noqa: SLF001 - boto3 has no public access to the configuration files


def _check_profile(session: "boto3.Session", name: str, environment: MutableMapping[str, str]) -> None:
    """Raise WrongUse for a profile without an access key, before botocore runs its credential_process.

    Otherwise record in the environment that the profile waits for every process that is started from here on.
    """
    profiles: Mapping[str, Mapping[str, object]] = _core_of(session).full_config.get("profiles", {})
    profile = profiles.get(name, {})
    process = profile.get("credential_process")
    # A key in the credentials file takes precedence over a credential_process; one in the configuration file does not.
    keys = _core_of(session).get_component("credential_provider").get_provider("shared-credentials-file")
    calls_itself = isinstance(process, str) and _runs_this_program(process) and keys.load() is None
    if name in waiting_profiles(environment) or calls_itself:
        raise WrongUse(
            f"Profile {printable(name)} gets its credentials from mfa-guard itself; name the profile of your access key"
            " with --profile."
        )
    if "role_arn" in profile:
        raise WrongUse(_NO_KEY.format(profile=printable(name), source="assumes a role"))
    add_waiting_profile(environment, name)


def access_key_id(session: "boto3.Session") -> str:
    """Return the ID of the access key that a session signs with. Raises WrongUse if there is none."""
    credentials = session.get_credentials()
    if credentials is None:
        raise WrongUse("There are no AWS credentials; name a profile with --profile.")
    return credentials.access_key


def check_target_profile(session: "boto3.Session", name: str) -> None:
    """Raise WrongUse if keys that are written as profile `name` would replace the source, or have no effect."""
    core = _core_of(session)
    credentials = session.get_credentials()
    if name == session.profile_name and credentials is not None and credentials.method != "env":
        raise WrongUse(f"Profile {name} holds the access key that the session is made from; write to another profile.")
    settings = core.full_config.get("profiles", {}).get(name, {})
    if setting := next((each for each in _CREDENTIAL_SETTINGS if each in settings), None):
        raise WrongUse(f"Profile {name} gets its credentials from its {setting}; write to another profile.")


def location_variables(
    session: "boto3.Session", region: str | None, environment: Mapping[str, str]
) -> Mapping[str, str]:
    """Return the region and endpoint of a named profile as variables, since a command does not see the profile.

    `region` is the requested one. What the environment sets takes precedence over the profile.
    """
    settings = _core_of(session).get_scoped_config() if session.profile_name != _DEFAULT else {}
    requested = {"region": region}
    found: dict[str, str] = {}
    for setting, names in _LOCATION_VARIABLES.items():
        is_set = any(environment.get(name) for name in names)
        if value := requested.get(setting) or (None if is_set else settings.get(setting)):
            found |= dict.fromkeys(names, str(value))
    return found


def _runs_this_program(process: str) -> bool:
    try:
        words = shlex.split(process, posix=os.name == "posix")
    except ValueError:
        words = process.split()
    return any(_THIS_PROGRAM.search(word) for word in words)
