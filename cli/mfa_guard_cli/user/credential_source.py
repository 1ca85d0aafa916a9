"""Whose credentials a session is made from: the boto3 session with a long-term access key."""

import os
import re
import shlex
from collections.abc import Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Final

from mfa_guard_cli.common.aws_session import open_session
from mfa_guard_cli.common.errors import WrongUse
from mfa_guard_cli.common.output import printable
from mfa_guard_cli.user.recursion import wait_for, waiting

if TYPE_CHECKING:
    import boto3

_DEFAULT: Final = "default"
# As a word of a command line, however the program is called.
_OWN: Final = re.compile(r"(?:^|[/\\\\])mfa-guard(?:\.exe)?$|^mfa_guard_cli(?:\.main)?$")
# What botocore calls the ways in which it finds credentials that are a session already.
_SESSIONS: Final[Mapping[str, str]] = {
    "assume-role": "assumes a role",
    "assume-role-with-web-identity": "assumes a role",
    "sso": "signs in through Identity Center",
    "login": "signs in with aws login",
    "iam-role": "is the machine's role",
    "container-role": "is the container's role",
}
# Settings by which a profile gets its credentials: before keys in the credentials file, or (the last) instead of them
# once the keys have expired.
_OTHER_WAYS: Final = (
    "role_arn",
    "web_identity_token_file",
    "sso_session",
    "sso_start_url",
    "login_session",
    "credential_process",
)
# Settings of a profile, and the variables for them.
_VARIABLES: Final[Mapping[str, Sequence[str]]] = {
    "region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
    "endpoint_url": ("AWS_ENDPOINT_URL",),
}
_NO_KEY: Final = "Profile {shown} {way}; a session is made from a user's access key: name its profile with --profile."


def open_source(
    profile: str | None, region: str | None, *, inherit_profile: bool, environment: MutableMapping[str, str]
) -> "boto3.Session":
    """Return a session whose credentials are a long-term access key, and mark the environment against recursion.

    `inherit_profile`: whether AWS_PROFILE counts where `profile` is None. It must not in a credential_process, where
    it may name the very profile that waits for the answer. Raises WrongUse, and botocore's ProfileNotFound.
    """
    session = open_session(profile, region, inherit_profile=inherit_profile)
    if profile is not None or not environment.get("AWS_ACCESS_KEY_ID"):
        _refuse_profile(session, session.profile_name or _DEFAULT, environment)
    credentials = session.get_credentials()
    shown = printable(session.profile_name or _DEFAULT)
    if credentials is None:
        raise WrongUse(f"There is no access key in the environment or in profile {shown}; name another with --profile.")
    if way := _SESSIONS.get(credentials.method):
        raise WrongUse(_NO_KEY.format(shown=shown, way=way))
    if credentials.token and credentials.method == "env":
        raise WrongUse(
            "The environment holds a session already, from which no other can be made; name the profile with your"
            " access key with --profile, or unset AWS_SESSION_TOKEN and the keys beside it."
        )
    if credentials.token:
        raise WrongUse(_NO_KEY.format(shown=shown, way="holds a session already"))
    return session


def _refuse_profile(session: "boto3.Session", name: str, environment: MutableMapping[str, str]) -> None:
    """Raise WrongUse for a profile without a key of its own, before botocore runs what it names.

    Otherwise note in the environment that the profile waits, for whatever is called from here.
    """
    profiles: Mapping[str, Mapping[str, object]] = session._session.full_config.get("profiles", {})  # noqa: SLF001
    profile = profiles.get(name, {})
    process = profile.get("credential_process")
    # A key in the credentials file comes before a process, one in the configuration file after it.
    keys = session._session.get_component("credential_provider").get_provider("shared-credentials-file")  # noqa: SLF001
    if name in waiting(environment) or (isinstance(process, str) and _is_own(process) and keys.load() is None):
        raise WrongUse(
            f"Profile {printable(name)} gets its credentials from mfa-guard itself; --profile must name the profile"
            " with your access key."
        )
    if "role_arn" in profile:
        raise WrongUse(_NO_KEY.format(shown=printable(name), way="assumes a role"))
    wait_for(environment, name)


def access_key_id(session: "boto3.Session") -> str:
    """Return the access key that a session signs with. Raises WrongUse when there is none."""
    credentials = session.get_credentials()
    if credentials is None:
        raise WrongUse("There are no AWS credentials; name a profile with --profile.")
    return credentials.access_key


def refuse_as_target(session: "boto3.Session", name: str) -> None:
    """Raise WrongUse when keys written as profile `name` would take the source's place, or be of no use there."""
    core = session._session  # noqa: SLF001
    credentials = session.get_credentials()
    if name == session.profile_name and credentials is not None and credentials.method != "env":
        raise WrongUse(f"Profile {name} is the one that the session is made from; write to another.")
    settings = core.full_config.get("profiles", {}).get(name, {})
    if taken := next((setting for setting in _OTHER_WAYS if setting in settings), None):
        raise WrongUse(f"Profile {name} gets its credentials in another way ({taken}); write to another.")


def whereabouts(session: "boto3.Session", region: str | None, environment: Mapping[str, str]) -> Mapping[str, str]:
    """Return the variables that say what a named profile says: whoever gets the session will not see the profile.

    `region` is the one that was asked for. What the environment says stays as it is.
    """
    settings = session._session.get_scoped_config() if session.profile_name != _DEFAULT else {}  # noqa: SLF001
    asked = {"region": region}
    found: dict[str, str] = {}
    for setting, names in _VARIABLES.items():
        said = any(environment.get(name) for name in names)
        if value := asked.get(setting) or (None if said else settings.get(setting)):
            found |= dict.fromkeys(names, str(value))
    return found


def _is_own(process: str) -> bool:
    try:
        words = shlex.split(process, posix=os.name == "posix")
    except ValueError:
        words = process.split()
    return any(_OWN.search(word) for word in words)
