"""Check whether the guard itself can do its work.

Every check stands alone: a part that could not be read makes its own check unverifiable, and no other check.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Generic, TypeVar

from mfa_guard.core.health.deployed import Deployed, policy_digest
from mfa_guard.core.health.readings import GroupPolicies, PolicyVersion, Root, Rule, Unread
from mfa_guard.core.health.trail_selectors import Trail, TrailState, gap
from mfa_guard.core.sanitize import sanitize

NOTICES_TOPIC: Final = "notices topic"


class Verdict(StrEnum):
    """The result of a check."""

    FINE = "fine"
    PROBLEM = "problem"
    CANNOT_VERIFY = "cannot verify"


@dataclass(frozen=True)
class Check:
    """One check and its result. `reason` and `advice` are sentences; `advice` is empty if the part is fine.

    An `advisory` check is about good practice that the guard's work does not depend on. It never counts as a problem.
    """

    name: str
    verdict: Verdict
    reason: str
    advice: str
    advisory: bool = False

    @property
    def label(self) -> str:
        """Return the verdict as people read it: an advisory check has advice instead of a problem."""
        return "advice" if self.advisory and self.verdict is Verdict.PROBLEM else self.verdict.value


def problems(checks: Iterable[Check]) -> tuple[Check, ...]:
    """Return the checks that count as problems of the guard."""
    return tuple(check for check in checks if check.verdict is Verdict.PROBLEM and not check.advisory)


@dataclass(frozen=True)
class Readings:
    """What AWS shows of the guard's parts; a part that could not be read is `Unread`.

    `trails` may end with the first trail that is fine. The keys of `rules` are names. `notices` and `operations` are
    the ARNs of the topics' subscriptions, or what SNS shows in place of an ARN. `dead_letters` is a number of messages.
    """

    trails: Mapping[Trail, TrailState | Unread] | Unread
    rules: Mapping[str, Rule] | Unread
    notices: Sequence[str] | Unread
    operations: Sequence[str] | Unread
    dead_letters: int | Unread
    policy: PolicyVersion | Unread
    group: GroupPolicies | Unread
    root: Root | Unread
    termination_protection: bool | Unread


def judge(readings: Readings, deployed: Deployed) -> tuple[Check, ...]:
    """Return every check, always in the same order."""
    return tuple(check(readings, deployed) for check in _CHECKS)


@dataclass(frozen=True)
class _Judgment:
    """A verdict and its reason; `advice` replaces the check's usual advice."""

    verdict: Verdict
    reason: str
    advice: str | None = None


def _fine(reason: str) -> _Judgment:
    return _Judgment(Verdict.FINE, reason)


def _problem(reason: str) -> _Judgment:
    return _Judgment(Verdict.PROBLEM, reason)


_SHOWN: Final = 6


def _listed(texts: Sequence[str], separator: str) -> str:
    rest = [f"and {len(texts) - _SHOWN} more"] if len(texts) > _SHOWN else []
    return separator.join([*texts[:_SHOWN], *rest])


def _trails(trails: Mapping[Trail, TrailState | Unread], deployed: Deployed) -> _Judgment:
    region = deployed.settings.region
    gaps = [(sanitize(trail.arn), gap(trail, state, region)) for trail, state in trails.items()]
    if good := [arn for arn, found in gaps if found is None]:
        return _fine(f"{good[0]} is logging and records IAM's management write events")
    wrong = [f"{arn} {found}" for arn, found in gaps if isinstance(found, str)]
    if unread := [
        f"{arn} cannot be read ({sanitize(found.reason)})" for arn, found in gaps if isinstance(found, Unread)
    ]:
        reason = f"It is not certain that a trail delivers IAM's events: {_listed([*unread, *wrong], '; ')}"
        return _Judgment(Verdict.CANNOT_VERIFY, reason, _UNREAD_TRAIL)
    if not wrong:
        return _problem("No trail covers this Region")
    return _problem(f"No trail delivers IAM's events: {_listed(wrong, '; ')}")


def _rules(rules: Mapping[str, Rule], deployed: Deployed) -> _Judgment:
    found = {name: _fault(rules.get(name), deployed.functions) for name in deployed.rules}
    if wrong := [f"{name} {fault}" for name, fault in found.items() if fault]:
        return _problem(f"Rules that do not work: {_listed(wrong, '; ')}")
    return _fine(f"All {len(found)} rules are enabled and invoke mfa-guard's functions")


# https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_Rule.html
_ENABLED: Final = ("ENABLED", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS")


def _fault(rule: Rule | None, functions: Sequence[str]) -> str | None:
    if rule is None:
        return "does not exist"
    if rule.state not in _ENABLED:
        return f"is {sanitize(rule.state, 40)}"
    return None if set(functions) & set(rule.targets) else "invokes none of mfa-guard's functions"


def _subscriptions(subscriptions: Sequence[str], deployed: Deployed) -> _Judgment:  # noqa: ARG001 - as every judge
    if confirmed := sum(each.startswith("arn:") for each in subscriptions):
        return _fine(f"Confirmed subscriptions: {confirmed}")
    if pending := sum(each != "Deleted" for each in subscriptions):
        return _problem(f"No subscription is confirmed. Subscriptions that wait for confirmation: {pending}")
    return _problem("The topic has no subscription")


def _dead_letters(count: int, deployed: Deployed) -> _Judgment:  # noqa: ARG001 - as every judge
    return _problem(f"Events that could not be handled: {count}") if count else _fine("The queue is empty")


def _policy(policy: PolicyVersion, deployed: Deployed) -> _Judgment:
    chosen = deployed.settings
    digest = policy_digest(policy.document, account=chosen.account, partition=chosen.partition)
    version = f"The default version, {sanitize(policy.id, 20)},"
    if digest != deployed.policy_digest:
        return _problem(f"{version} is not what the stack deployed")
    return _fine(f"{version} is what the stack deployed")


def _group(group: GroupPolicies, deployed: Deployed) -> _Judgment:
    own = deployed.settings.policy_arn
    wrong = [] if own in group.attached else ["The group lacks the enforcement policy, so its members are not enforced"]
    if others := [sanitize(each, 160) for each in (*group.attached, *group.inline) if each != own]:
        wrong.append(f"The group has other policies, which apply to every member: {_listed(others, ', ')}")
    return _problem(". ".join(wrong)) if wrong else _fine("The group has the enforcement policy and no other policy")


def _root(root: Root, deployed: Deployed) -> _Judgment:  # noqa: ARG001 - as every judge
    wrong = [*(["access keys"] if root.keys else []), *([] if root.mfa else ["no MFA device"])]
    if not wrong:
        return _fine("Root has an MFA device and no access keys")
    if not root.keys and not root.password:
        reason = "Root has no MFA device, but also no password and no access keys"
        return _Judgment(Verdict.CANNOT_VERIFY, reason, _NO_CREDENTIALS)
    return _problem(f"Root has {' and '.join(wrong)}")


def _protection(protected: bool, deployed: Deployed) -> _Judgment:  # noqa: FBT001, ARG001 - as every judge
    if protected:
        return _fine("Termination protection is enabled")
    return _problem("Termination protection is disabled, so one API call can delete the stack")


T = TypeVar("T")


@dataclass(frozen=True)
class _Checked(Generic[T]):
    """One row of the table of checks: what to read and how to judge it.

    `advice` is for problems. The fields of {deployed} and of {chosen}, its settings, are filled in.
    """

    name: str
    reading: Callable[[Readings], T | Unread]
    judge_reading: Callable[[T, Deployed], _Judgment]
    advice: str
    advisory: bool = False

    def __call__(self, readings: Readings, deployed: Deployed) -> Check:
        read = self.reading(readings)
        if isinstance(read, Unread):
            found = _problem(read.reason) if read.missing else _Judgment(Verdict.CANNOT_VERIFY, read.reason)
        else:
            found = self.judge_reading(read, deployed)
        usual: Mapping[Verdict, str] = {
            Verdict.FINE: "",
            Verdict.PROBLEM: self.advice.format(deployed=deployed, chosen=deployed.settings),
            Verdict.CANNOT_VERIFY: UNREAD_ADVICE,
        }
        reason = sanitize(found.reason, _LONGEST)
        return Check(
            name=self.name,
            verdict=found.verdict,
            reason=reason if reason.endswith(".") else f"{reason}.",
            advice=usual[found.verdict] if found.advice is None else found.advice,
            advisory=self.advisory,
        )


_LONGEST: Final = 900

# For a part that the function could not read.
UNREAD_ADVICE: Final = (
    "If access was denied, compare SweepFunction's role with the template, and look for a service control policy that "
    "denies the call. Otherwise wait for the next sweep, which tries again."
)
_UNREAD_TRAIL: Final = (
    "Ask the owner of the trail whether it logs management write events. If changes to users lead to notices, it does."
)
_NO_CREDENTIALS: Final = (
    "You need to do nothing if your organization manages root access centrally and account recovery is off. Otherwise "
    "anyone who can read root's mail can set a password: set a password yourself and enroll an MFA device."
)

# An ordinary deployment changes what differs from the last deployment, and does not undo changes made in between.
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/drift-aware-change-sets.html
_RESTORE: Final = (
    " To restore what was deleted or changed, create a change set for the stack {deployed.stack_name} with "
    "--deployment-mode REVERT_DRIFT and the previous value of every parameter. CloudTrail shows who made the change."
)
_SUBSCRIBE: Final = (
    " Confirm the subscription with the link in AWS's mail, or subscribe again: aws sns subscribe --region "
    "{chosen.region} --protocol email --notification-endpoint ADDRESS --topic-arn "
)

_CHECKS: Final[tuple[Callable[[Readings, Deployed], Check], ...]] = (
    _Checked(
        "trail",
        lambda readings: readings.trails,
        _trails,
        "IAM's events do not reach mfa-guard, so only sweeps find users who need enforcement. Start a trail again with "
        "aws cloudtrail start-logging, or let a trail record management write events and global services in all "
        "Regions.",
    ),
    _Checked(
        "rules",
        lambda readings: readings.rules,
        _rules,
        "mfa-guard does not see some events. If this is an emergency stop, mfa-guard start ends it. Otherwise enable "
        "each rule with aws events enable-rule --region {chosen.region} --name NAME." + _RESTORE,
    ),
    _Checked(
        NOTICES_TOPIC,
        lambda readings: readings.notices,
        _subscriptions,
        "No one receives the notices." + _SUBSCRIBE + "{chosen.notices_topic_arn}",
    ),
    _Checked(
        "operations topic",
        lambda readings: readings.operations,
        _subscriptions,
        "No one receives the alarms." + _SUBSCRIBE + "{chosen.operations_topic_arn}",
    ),
    _Checked(
        "dead-letter queue",
        lambda readings: readings.dead_letters,
        _dead_letters,
        "The queue keeps them for 14 days. Fix the cause that the functions' logs show. Then redrive the events with "
        "mfa-guard dead-letters redrive, or as docs/dead-letters.md describes, from {deployed.queue_url}",
    ),
    _Checked(
        "enforcement policy",
        lambda readings: readings.policy,
        _policy,
        "The policy may not require MFA, or may lock users out. Find the right version with aws iam "
        "list-policy-versions --policy-arn {chosen.policy_arn} and make it the default with aws iam "
        "set-default-policy-version." + _RESTORE,
    ),
    _Checked(
        "enforcement group",
        lambda readings: readings.group,
        _group,
        "Attach the enforcement policy with aws iam attach-group-policy --group-name {chosen.group_name} --policy-arn "
        "{chosen.policy_arn} and remove other policies with detach-group-policy or delete-group-policy." + _RESTORE,
    ),
    _Checked(
        "root",
        lambda readings: readings.root,
        _root,
        "No policy in this account applies to root. Sign in as root, enroll an MFA device, and delete the access keys.",
    ),
    _Checked(
        "termination protection",
        lambda readings: readings.termination_protection,
        _protection,
        "Enable it: aws cloudformation update-termination-protection --enable-termination-protection --region "
        "{chosen.region} --stack-name {deployed.stack_name}",
        advisory=True,
    ),
)
