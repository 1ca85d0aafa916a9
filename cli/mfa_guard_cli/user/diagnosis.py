"""Why a call is denied, as far as the enforcement policy, the credentials, the devices and the clock tell. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from mfa_guard_cli.user.access_denied import GUARD_POLICY, Denial
from mfa_guard_cli.user.clock_skew import CODES_SUFFER, SIGNATURES_SUFFER, in_words
from mfa_guard_cli.user.devices import Device
from mfa_guard_cli.user.identity import Identity, Principal


class Answer(StrEnum):
    """What came of a call."""

    OK = "ok"
    DENIED = "denied"
    # AWS's InvalidClientTokenId.
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
    NOT_ASKED = "not asked of it"


@dataclass(frozen=True)
class Used:
    """The credentials that boto3 found: `method` is botocore's word for where, `place` ours."""

    access_key_id: str
    temporary: bool
    method: str
    place: str


@dataclass(frozen=True)
class Facts:
    """What was found out.

    `known` is the answer to GetCallerIdentity, which no policy can deny; `probed` the answer to a call that the
    enforcement policy denies without MFA, with what the refusal says. None: not asked, or not answered.
    """

    used: Used
    known: Answer
    caller: Identity | None = None
    probed: Answer | None = None
    refusal: Denial | None = None
    devices: Sequence[Device] | None = None
    skew: timedelta | None = None

    @property
    def bound(self) -> bool:
        """Whether the probe was denied by the enforcement policy, or by one that AWS did not name."""
        refusal = self.refusal
        if refusal is None or not refusal.explicit:
            return False
        return refusal.by_guard or (refusal.policy is None and "identity-based" in (refusal.kind or "identity-based"))

    @property
    def credentials(self) -> str:
        """The kind of credentials, in words."""
        if not self.used.temporary:
            return "long-term access key"
        if self.used.method == "login":
            return "session of aws login"
        principal = self.caller.principal if self.caller else None
        return {Principal.ROLE: "session of a role", Principal.FEDERATED: "session of a federated user"}.get(
            principal or Principal.OTHER, "session"
        )

    @property
    def mfa(self) -> Mfa:
        """Whether the credentials carry MFA: a session does not say, but IAM takes no session made without a code.

        https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html
        """
        if self.caller is None:
            return Mfa.UNKNOWN
        if self.caller.principal not in (Principal.USER, Principal.ROOT):
            return Mfa.NOT_ASKED
        if not self.used.temporary or self.probed is Answer.UNKNOWN_KEY or self.bound:
            return Mfa.NO
        refused_otherwise = self.refusal is not None and self.refusal.explicit
        return Mfa.UNKNOWN if refused_otherwise or self.used.method == "login" else Mfa.YES


@dataclass(frozen=True)
class Diagnosis:
    """The cause, None when nothing is wrong, and the next step."""

    cause: str | None
    next: str


def diagnose(facts: Facts) -> Diagnosis:
    """Return the first cause that fits, and the next step."""
    for rule in _RULES:
        if (found := rule(facts)) is not None:
            return found
    return Diagnosis(None, _nothing_wrong(facts))


_NEW_SESSION: Final = "Make a new one: mfa-guard session, with --profile naming the profile of your access key."


def _clock_breaks_signatures(facts: Facts) -> Diagnosis | None:
    if facts.skew is None or abs(facts.skew) <= SIGNATURES_SUFFER:
        return None
    return Diagnosis(
        f"This machine's clock is {in_words(facts.skew)}, and AWS takes no signature that is off by five minutes.",
        "Set the clock right.",
    )


def _expired(facts: Facts) -> Diagnosis | None:
    if facts.known is not Answer.EXPIRED:
        return None
    step = "Sign in again: aws login" if facts.used.method == "login" else _NEW_SESSION
    return Diagnosis("The session has expired.", step)


def _unknown_key(facts: Facts) -> Diagnosis | None:
    if facts.known is not Answer.UNKNOWN_KEY:
        return None
    if facts.used.temporary:
        return Diagnosis("AWS does not know the session, or its token belongs to another key.", _NEW_SESSION)
    return Diagnosis(
        f"The access key {facts.used.access_key_id} is not active, or does not exist.",
        "Check that it is yours; if it is, ask your administrator whether it was deactivated.",
    )


def _bad_signature(facts: Facts) -> Diagnosis | None:
    if facts.known is not Answer.BAD_SIGNATURE:
        return None
    return Diagnosis(
        f"The secret does not belong to the access key {facts.used.access_key_id}.", "Enter both again: aws configure"
    )


def _made_without_mfa(facts: Facts) -> Diagnosis | None:
    if not facts.used.temporary or facts.mfa is not Mfa.NO:
        return None
    if facts.used.method == "login":
        return Diagnosis(
            "You signed in to the console without MFA.", "Sign out there, sign in with MFA, and repeat aws login."
        )
    return Diagnosis("The session was made without an MFA code.", _NEW_SESSION)


def _key_alone(facts: Facts) -> Diagnosis | None:
    if facts.used.temporary or not facts.bound:
        return None
    policy = facts.refusal.policy if facts.refusal else None
    return Diagnosis(
        f"An access key alone is no MFA, and the policy {policy or GUARD_POLICY} denies most calls without.",
        _sign_in(facts.devices),
    )


def _sign_in(devices: Sequence[Device] | None) -> str:
    if devices is None or any(device.makes_codes for device in devices):
        return "Work with a session: mfa-guard session -- COMMAND"
    if devices:
        return "Your devices make no codes: aws login (AWS CLI 2.32.0 or later), or add an app with mfa-guard enroll"
    return "Enroll an authenticator app: mfa-guard enroll"


def _another_policy(facts: Facts) -> Diagnosis | None:
    if facts.refusal is None or not facts.refusal.explicit:
        return None
    cause = facts.refusal.cause
    return Diagnosis(
        f"{cause[0].upper()}{cause[1:]} denies calls, and it is not mfa-guard's.", "Ask your administrator about it."
    )


def _clock_breaks_codes(facts: Facts) -> Diagnosis | None:
    if facts.skew is None or abs(facts.skew) <= CODES_SUFFER:
        return None
    return Diagnosis(
        f"This machine's clock is {in_words(facts.skew)}: MFA codes that are made here will be refused.",
        "Set the clock right.",
    )


_RULES: Final[Sequence[Callable[[Facts], Diagnosis | None]]] = (
    _clock_breaks_signatures,
    _expired,
    _unknown_key,
    _bad_signature,
    _made_without_mfa,
    _key_alone,
    _another_policy,
    _clock_breaks_codes,
)
_ASK: Final = "if a call is denied all the same, show its message to your administrator."


def _nothing_wrong(facts: Facts) -> str:
    principal = facts.caller.principal if facts.caller else Principal.OTHER
    if principal is Principal.ROOT:
        return f"mfa-guard's policy cannot bind the root user; {_ASK}"
    if principal is not Principal.USER:
        return f"mfa-guard's policy binds users, and does not follow into a {principal}; {_ASK}"
    if facts.mfa is Mfa.YES:
        return f"You work with MFA; {_ASK}"
    if facts.devices is not None and not facts.devices:
        return "You are not bound yet, and have no MFA device: mfa-guard enroll"
    return f"mfa-guard's policy denies you nothing; {_ASK}"
