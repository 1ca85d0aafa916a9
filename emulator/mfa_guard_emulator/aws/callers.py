"""Find who makes a call: the identity behind an access key, as userIdentity of a CloudTrail record names it.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from moto.iam.models import AccessKey, IAMBackend, User
from moto.iam.utils import generate_access_key_id_from_account_id

from mfa_guard.core.times import utc_text
from mfa_guard_cli.stack.template import Fields
from mfa_guard_emulator.endpoint import ROOT_KEY, Credentials


class CredentialsRefused(Exception):
    """The credentials are unknown, inactive or expired, or the role does not exist. `code` is AWS's error code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Caller:
    """Who makes a call. `user` is an IAM user's name, `function` the logical id of a function of the guard.

    `unrecorded` calls are the emulator's own and get no record. `address` and `user_agent` replace the request's in
    records.
    """

    identity: Fields
    user: str | None = None
    function: str | None = None
    from_console: bool = False
    unrecorded: bool = False
    address: str | None = None
    user_agent: str | None = None

    @property
    def is_root(self) -> bool:
        """Tell whether it is the root user."""
        return self.identity.get("type") == "Root"

    @property
    def is_session(self) -> bool:
        """Tell whether the credentials are temporary."""
        return "sessionContext" in self.identity


@dataclass(frozen=True)
class _Session:
    credentials: Credentials
    caller: Caller


class Callers:
    """The credentials that can make calls: the users' keys in moto's IAM, root's key, and the sessions issued here."""

    def __init__(self, iam: IAMBackend, now: Callable[[], datetime]) -> None:
        self._iam = iam
        self._now = now
        self._sessions: dict[str, _Session] = {}

    def find(self, key_id: str, token: str | None) -> Caller:
        """Return the caller with this access key; raises CredentialsRefused."""
        if session := self._sessions.get(key_id):
            return self._live(session, token)
        if key_id == ROOT_KEY.key_id:
            return Caller({**self._root(), "accessKeyId": key_id})
        for user in tuple(self._iam.users.values()):
            for key in user.access_keys:
                if key.access_key_id == key_id:
                    return self._owner(user, key)
        raise CredentialsRefused(
            "InvalidClientTokenId",
            f"This local account does not know the access key {key_id}; mfa-guard-local env prints one that it knows.",
        )

    def issue(self, caller: Caller, duration: timedelta | None = None) -> Credentials:
        """Return new credentials for a caller whose identity has no key yet. Without a duration, they never expire."""
        prefix = "ASIA" if caller.is_session else "AKIA"
        key_id = generate_access_key_id_from_account_id(self._iam.account_id, prefix=prefix, total_length=20)
        token = secrets.token_urlsafe(120) if caller.is_session else None
        expires_at = self._now() + duration if duration else None
        credentials = Credentials(key_id, secrets.token_urlsafe(30), token, expires_at)
        owner = replace(caller, identity={**caller.identity, "accessKeyId": key_id})
        self._sessions[key_id] = _Session(credentials, owner)
        return credentials

    def key_caller(self, name: str) -> Caller:
        """Return the caller who uses a long-term access key of an IAM user."""
        return Caller(self._user(self._iam.users[name]), user=name)

    def user_session(self, name: str, *, mfa: bool, from_console: bool = False) -> Caller:
        """Return an IAM user with a session that was created with or without an MFA code."""
        user = self._iam.users[name]
        identity = {**self._user(user), **_session_context(self._now(), mfa=mfa)}
        return Caller(identity, user=name, from_console=from_console)

    def root_session(self, *, mfa: bool, from_console: bool) -> Caller:
        """Return the root user with a session, from the console or from GetSessionToken."""
        return Caller({**self._root(), **_session_context(self._now(), mfa=mfa)}, from_console=from_console)

    def role_session(self, role_arn: str, session: str, *, mfa: bool = False, function: str | None = None) -> Caller:
        """Return a session of a role; raises CredentialsRefused when the role does not exist."""
        role = next((each for each in self._iam.roles.values() if each.arn == role_arn), None)
        if role is None:
            raise CredentialsRefused("AccessDenied", f"This local account has no role {role_arn}.")
        issuer = {
            "type": "Role",
            "principalId": role.id,
            "arn": role.arn,
            "accountId": self._iam.account_id,
            "userName": role.name,
        }
        identity = {
            "type": "AssumedRole",
            "principalId": f"{role.id}:{session}",
            "arn": f"arn:{self._iam.partition}:sts::{self._iam.account_id}:assumed-role/{role.name}/{session}",
            "accountId": self._iam.account_id,
            **_session_context(self._now(), mfa=mfa, issuer=issuer),
        }
        return Caller(identity, function=function)

    def _live(self, session: _Session, token: str | None) -> Caller:
        if token != session.credentials.token:
            raise CredentialsRefused("InvalidClientTokenId", "The security token included in the request is invalid.")
        if session.credentials.expires_at and session.credentials.expires_at <= self._now():
            raise CredentialsRefused("ExpiredToken", "The security token included in the request is expired.")
        return session.caller

    def _owner(self, user: User, key: AccessKey) -> Caller:
        if key.status != "Active":
            raise CredentialsRefused("InvalidClientTokenId", f"The access key {key.access_key_id} is inactive.")
        return Caller({**self._user(user), "accessKeyId": key.access_key_id}, user=user.name)

    def _user(self, user: User) -> Mapping[str, object]:
        return {
            "type": "IAMUser",
            "principalId": user.id,
            "arn": user.arn,
            "accountId": self._iam.account_id,
            "userName": user.name,
        }

    def _root(self) -> Mapping[str, object]:
        account = self._iam.account_id
        arn = f"arn:{self._iam.partition}:iam::{account}:root"
        return {"type": "Root", "principalId": account, "arn": arn, "accountId": account}


def _session_context(now: datetime, *, mfa: bool, issuer: Fields | None = None) -> Mapping[str, object]:
    attributes = {"creationDate": utc_text(now), "mfaAuthenticated": str(mfa).lower()}
    return {"sessionContext": {**({"sessionIssuer": issuer} if issuer else {}), "attributes": attributes}}
