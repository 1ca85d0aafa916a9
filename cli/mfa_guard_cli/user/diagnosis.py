"""Diagnose why a call is denied, from the enforcement policy, the credentials, the devices and the clock. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from mfa_guard_cli.user.access_denied import GUARD_POLICY, Denial
from mfa_guard_cli.user.clock_skew import CODE_TOLERANCE, SIGNATURE_TOLERANCE, in_words
from mfa_guard_cli.user.devices import Device
from mfa_guard_cli.user.identity import Identity, Principal


class Response(StrEnum):
    """How AWS responded to a request."""

    OK = "ok"
    DENIED = "denied"
    # InvalidClientTokenId.
    UNKNOWN_KEY = "unknown key"
    # ExpiredToken.
    EXPIRED = "expired"
    # SignatureDoesNotMatch, RequestTimeTooSkewed, RequestExpired.
    BAD_SIGNATURE = "bad signature"


class Mfa(StrEnum):
    """Whether the credentials carry MFA."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"
    NOT_REQUIRED = "not required"


@dataclass(frozen=True)
class CredentialsInUse:
    """The credentials that boto3 found. `method` is botocore's word for their source, `source` is for people."""

    access_key_id: str
    temporary: bool
    method: str
    source: str


@dataclass(frozen=True)
class Facts:
    """What AWS's responses show. A field is None if it is not known.

    `identified` is the response to GetCallerIdentity, which no policy can deny. `probe` is the response to a request
    that the enforcement policy denies without MFA, and `refusal` is what that response says about policies.
    """

    credentials: CredentialsInUse
    identified: Response
    caller: Identity | None = None
    probe: Response | None = None
    refusal: Denial | None = None
    devices: Sequence[Device] | None = None
    skew: timedelta | None = None

    @property
    def enforced(self) -> bool:
        """Return whether the enforcement policy denied the probe, or a policy that AWS did not name."""
        refusal = self.refusal
        if refusal is None or not refusal.explicit:
            return False
        return refusal.by_guard or (refusal.policy is None and "identity-based" in (refusal.kind or "identity-based"))

    @property
    def credentials_kind(self) -> str:
        """Return the kind of the credentials, in words."""
        if not self.credentials.temporary:
            return "long-term access key"
        if self.credentials.method == "login":
            return "session of aws login"
        principal = self.caller.principal if self.caller else None
        return {Principal.ROLE: "session of a role", Principal.FEDERATED: "session of a federated user"}.get(
            principal or Principal.OTHER, "session"
        )

    @property
    def mfa(self) -> Mfa:
        """Return whether the credentials carry MFA.

        A session does not show it, but IAM accepts no request from a session that was made without a code:
        https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html
        """
        if self.caller is None:
            return Mfa.UNKNOWN
        if self.caller.principal not in (Principal.USER, Principal.ROOT):
            return Mfa.NOT_REQUIRED
        if not self.credentials.temporary or self.probe is Response.UNKNOWN_KEY or self.enforced:
            return Mfa.NO
        denied_by_another = self.refusal is not None and self.refusal.explicit
        return Mfa.UNKNOWN if denied_by_another or self.credentials.method == "login" else Mfa.YES


@dataclass(frozen=True)
class Diagnosis:
    """The cause, or None if nothing is wrong, and the next step."""

    cause: str | None
    next: str


def diagnose(facts: Facts) -> Diagnosis:
    """Return the first cause that fits, and the next step."""
    for rule in _RULES:
        if (found := rule(facts)) is not None:
            return found
    return Diagnosis(None, _nothing_wrong(facts))


_NEW_SESSION: Final = "Get a new one with mfa-guard session; --profile names the profile of your access key."
_SET_CLOCK: Final = "Set the clock of this machine."


def _clock_breaks_signatures(facts: Facts) -> Diagnosis | None:
    if facts.skew is None or abs(facts.skew) <= SIGNATURE_TOLERANCE:
        return None
    return Diagnosis(
        f"This machine's clock is {in_words(facts.skew)}, and AWS accepts no signature that is off by more than five"
        " minutes.",
        _SET_CLOCK,
    )


def _expired(facts: Facts) -> Diagnosis | None:
    if facts.identified is not Response.EXPIRED:
        return None
    step = "Sign in again: aws login" if facts.credentials.method == "login" else _NEW_SESSION
    return Diagnosis("The session has expired.", step)


def _unknown_key(facts: Facts) -> Diagnosis | None:
    if facts.identified is not Response.UNKNOWN_KEY:
        return None
    if facts.credentials.temporary:
        return Diagnosis("AWS does not know the session, or its token belongs to another key.", _NEW_SESSION)
    return Diagnosis(
        f"The access key {facts.credentials.access_key_id} does not exist or is not active.",
        "Check that it is your key. If it is, ask your administrator whether it was deactivated.",
    )


def _bad_signature(facts: Facts) -> Diagnosis | None:
    if facts.identified is not Response.BAD_SIGNATURE:
        return None
    return Diagnosis(
        f"The secret does not belong to the access key {facts.credentials.access_key_id}.",
        "Enter the access key and its secret again: aws configure",
    )


def _made_without_mfa(facts: Facts) -> Diagnosis | None:
    if not facts.credentials.temporary or facts.mfa is not Mfa.NO:
        return None
    if facts.credentials.method == "login":
        return Diagnosis(
            "You signed in to the console without MFA.", "Sign out, sign in with MFA, then run aws login again."
        )
    return Diagnosis("The session was made without an MFA code.", _NEW_SESSION)


def _key_without_mfa(facts: Facts) -> Diagnosis | None:
    if facts.credentials.temporary or not facts.enforced:
        return None
    policy = facts.refusal.policy if facts.refusal else None
    return Diagnosis(
        f"An access key alone is not MFA, and the policy {policy or GUARD_POLICY} denies most calls without MFA.",
        _sign_in(facts.devices),
    )


def _sign_in(devices: Sequence[Device] | None) -> str:
    if devices is None or any(device.makes_codes for device in devices):
        return "Work with a session: mfa-guard session -- COMMAND"
    if devices:
        return (
            "Your devices make no codes. Sign in with aws login (AWS CLI 2.32.0 or later), or add an authenticator app:"
            " mfa-guard enroll"
        )
    return "Enroll an authenticator app: mfa-guard enroll"


def _another_policy(facts: Facts) -> Diagnosis | None:
    if facts.refusal is None or not facts.refusal.explicit:
        return None
    cause = facts.refusal.cause
    return Diagnosis(
        f"{cause[0].upper()}{cause[1:]} denies calls. It is not the policy of mfa-guard.",
        "Ask your administrator about that policy.",
    )


def _clock_breaks_codes(facts: Facts) -> Diagnosis | None:
    if facts.skew is None or abs(facts.skew) <= CODE_TOLERANCE:
        return None
    return Diagnosis(
        f"This machine's clock is {in_words(facts.skew)}, so AWS will refuse MFA codes that this machine makes.",
        _SET_CLOCK,
    )


_RULES: Final[Sequence[Callable[[Facts], Diagnosis | None]]] = (
    _clock_breaks_signatures,
    _expired,
    _unknown_key,
    _bad_signature,
    _made_without_mfa,
    _key_without_mfa,
    _another_policy,
    _clock_breaks_codes,
)
_ASK: Final = "If a call is still denied, show its message to your administrator."


def _nothing_wrong(facts: Facts) -> str:
    principal = facts.caller.principal if facts.caller else Principal.OTHER
    if principal is Principal.ROOT:
        return f"The enforcement policy cannot apply to the root user. {_ASK}"
    if principal is not Principal.USER:
        return f"The enforcement policy applies to users, and not to a {principal}. {_ASK}"
    if facts.mfa is Mfa.YES:
        return f"Your session carries MFA. {_ASK}"
    if facts.devices is not None and not facts.devices:
        return "MFA is not enforced for you yet, and you have no MFA device. Enroll one: mfa-guard enroll"
    return f"The enforcement policy denies you nothing. {_ASK}"
