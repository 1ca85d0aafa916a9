"""Who calls: the identity behind an access key, as userIdentity of a CloudTrail record names it.

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
from mfa_guard_emulator.aws.keys import ROOT_KEY


class Stranger(Exception):
    """A key that nobody here has, or that does not work: AWS's error code, and a sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Caller:
    """Who makes a call. `user` is the IAM user's name; `function` the logical id of a function of the guard.

    `unrecorded`: the account's own hands, whose calls no trail sees. `address` and `user_agent`, where given, stand in
    records in place of the request's.
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
class Credentials:
    """Temporary credentials, or a long-term key without token and end."""

    key_id: str
    secret: str
    token: str | None = None
    expires_at: datetime | None = None

    def environment(self) -> Mapping[str, str]:
        """Return them as environment variables."""
        token = {"AWS_SESSION_TOKEN": self.token} if self.token else {}
        return {"AWS_ACCESS_KEY_ID": self.key_id, "AWS_SECRET_ACCESS_KEY": self.secret, **token}


@dataclass(frozen=True)
class _Session:
    credentials: Credentials
    caller: Caller


class Callers:
    """Everybody who may call: the users' keys in moto's IAM, root's key, and the sessions handed out here."""

    def __init__(self, iam: IAMBackend, now: Callable[[], datetime]) -> None:
        self._iam = iam
        self._now = now
        self._sessions: dict[str, _Session] = {}

    def find(self, key_id: str, token: str | None) -> Caller:
        """Return who has a key; raises Stranger."""
        if session := self._sessions.get(key_id):
            return self._live(session, token)
        if key_id == ROOT_KEY[0]:
            return Caller({**self._root(), "accessKeyId": key_id})
        for user in tuple(self._iam.users.values()):
            for key in user.access_keys:
                if key.access_key_id == key_id:
                    return self._owner(user, key)
        raise Stranger(
            "InvalidClientTokenId",
            f"The access key {key_id} is unknown in this local account; mfa-guard-local env prints keys that it knows.",
        )

    def hand_out(self, caller: Caller, duration: timedelta | None = None) -> Credentials:
        """Return new credentials of a caller whose identity has no key yet; without a duration they never expire."""
        prefix = "ASIA" if caller.is_session else "AKIA"
        key_id = generate_access_key_id_from_account_id(self._iam.account_id, prefix=prefix, total_length=20)
        token = secrets.token_urlsafe(120) if caller.is_session else None
        expires_at = self._now() + duration if duration else None
        credentials = Credentials(key_id, secrets.token_urlsafe(30), token, expires_at)
        owner = replace(caller, identity={**caller.identity, "accessKeyId": key_id})
        self._sessions[key_id] = _Session(credentials, owner)
        return credentials

    def key_holder(self, name: str) -> Caller:
        """Return whoever holds a long-term access key of an IAM user."""
        return Caller(self._user(self._iam.users[name]), user=name)

    def user_session(self, name: str, *, mfa: bool, from_console: bool = False) -> Caller:
        """Return an IAM user with a session of his own, made with or without a code."""
        user = self._iam.users[name]
        identity = {**self._user(user), **_session_context(self._now(), mfa=mfa)}
        return Caller(identity, user=name, from_console=from_console)

    def root_session(self, *, mfa: bool, from_console: bool) -> Caller:
        """Return the root user with a session, in the console or from GetSessionToken."""
        return Caller({**self._root(), **_session_context(self._now(), mfa=mfa)}, from_console=from_console)

    def role_session(self, role_arn: str, session: str, *, mfa: bool = False, function: str | None = None) -> Caller:
        """Return a session of a role; raises Stranger when the account has no such role."""
        role = next((each for each in self._iam.roles.values() if each.arn == role_arn), None)
        if role is None:
            raise Stranger("AccessDenied", f"There is no role {role_arn} in this local account.")
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
            raise Stranger("InvalidClientTokenId", "The security token included in the request is invalid.")
        if session.credentials.expires_at and session.credentials.expires_at <= self._now():
            raise Stranger("ExpiredToken", "The security token included in the request is expired.")
        return session.caller

    def _owner(self, user: User, key: AccessKey) -> Caller:
        if key.status != "Active":
            raise Stranger("InvalidClientTokenId", f"The access key {key.access_key_id} is inactive.")
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
