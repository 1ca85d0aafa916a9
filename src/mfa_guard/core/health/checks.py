"""Check whether the guard itself can do its work.

Every check stands alone: a part that could not be read makes its own check unverifiable, and no other check.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from mfa_guard.core.emergency_stop import RecordedStop
from mfa_guard.core.health.comparison import policy_differences
from mfa_guard.core.health.deployed import Deployed, Expected
from mfa_guard.core.health.functions import judge_exemption_stream, judge_functions
from mfa_guard.core.health.judgment import Judgment, fine, listed, problem, unverifiable
from mfa_guard.core.health.judgment import Verdict as Verdict  # noqa: PLC0414 - part of this module's interface
from mfa_guard.core.health.readings import (
    ExemptionStream,
    Fields,
    Function,
    GroupPolicies,
    PolicyVersion,
    Root,
    Rule,
    Seen,
    StackResource,
    Subscriptions,
    Unread,
)
from mfa_guard.core.health.rules import judge_rules, judge_schedule
from mfa_guard.core.health.topics import judge_subscriptions, judge_topic_policies
from mfa_guard.core.health.trail_selectors import Trail, TrailState, gap
from mfa_guard.core.sanitize import sanitize

NOTICES_TOPIC: Final = "notices topic"


@dataclass(frozen=True)
class Check:
    """One check and its result. `reason` and `advice` are sentences; `advice` is empty if the part is fine.

    An `advisory` check is about good practice that the guard's work does not depend on. It never counts as a problem.
    `parts` name what is wrong, so that the next sweep can tell what is new; without parts, the reason does.
    """

    name: str
    verdict: Verdict
    reason: str
    advice: str
    advisory: bool = False
    parts: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Return the verdict as people read it: an advisory check has advice instead of a problem."""
        return "advice" if self.advisory and self.verdict is Verdict.PROBLEM else self.verdict.value


Part = TypeVar("Part")


def problems(checks: Iterable[Check]) -> tuple[Check, ...]:
    """Return the checks that count as problems of the guard."""
    return tuple(check for check in checks if check.verdict is Verdict.PROBLEM and not check.advisory)


@dataclass(frozen=True)
class Readings:
    """What AWS shows of the guard's parts; a part that could not be read is `Unread`.

    The keys of `resources` are logical ids; those of `rules` and of `functions` are names, and those of
    `topic_policies` ARNs. `dead_letters` is a number of messages.
    """

    resources: Mapping[str, StackResource] | Unread
    stop: RecordedStop | Unread | None
    trails: Mapping[Trail, TrailState | Unread] | Unread
    rules: Mapping[str, Rule] | Unread
    notices: Subscriptions | Unread
    operations: Subscriptions | Unread
    topic_policies: Mapping[str, object] | Unread
    functions: Mapping[str, Function | Unread] | Unread
    exemption_stream: ExemptionStream | Unread
    schedule: Fields | Unread
    dead_letters: int | Unread
    policy: PolicyVersion | Unread
    group: GroupPolicies | Unread
    root: Root | Unread
    termination_protection: bool | Unread

    def seen(self, part: "Part | Unread") -> "Seen[Part] | Unread":
        """Return a part with what its comparison needs besides."""
        if isinstance(part, Unread):
            return part
        # Without the record, a stop looks like any other change.
        return Seen(part, self.resources, None if isinstance(self.stop, Unread) else self.stop)


def judge(readings: Readings, deployed: Deployed) -> tuple[Check, ...]:
    """Return every check, always in the same order."""
    return tuple(check(readings, deployed) for check in _CHECKS)


def _trails(trails: Mapping[Trail, TrailState | Unread], deployed: Deployed) -> Judgment:
    region = deployed.settings.region
    gaps = [(sanitize(trail.arn), gap(trail, state, region)) for trail, state in trails.items()]
    if good := [arn for arn, found in gaps if found is None]:
        return fine(f"{good[0]} is logging and records IAM's management write events")
    wrong = [f"{arn} {found}" for arn, found in gaps if isinstance(found, str)]
    if unread := [
        f"{arn} cannot be read ({sanitize(found.reason)})" for arn, found in gaps if isinstance(found, Unread)
    ]:
        reason = f"It is not certain that a trail delivers IAM's events: {listed([*unread, *wrong], '; ')}"
        return Judgment(Verdict.CANNOT_VERIFY, reason, _UNREAD_TRAIL)
    if not wrong:
        return problem("No trail covers this Region")
    return problem(f"No trail delivers IAM's events: {listed(wrong, '; ')}")


def _dead_letters(count: int, deployed: Deployed) -> Judgment:  # noqa: ARG001 - as every judge
    if not count:
        return fine("The queue is empty")
    return Judgment(Verdict.PROBLEM, f"Events that could not be handled: {count}", parts=doublings(count))


def doublings(count: int) -> tuple[str, ...]:
    """Return 1, 2, 4 and so on up to `count`: of a growing number, each doubling is new, and a falling one is not."""
    return tuple(str(2**power) for power in range(count.bit_length()))


def _policy(seen: Seen[PolicyVersion], deployed: Deployed) -> Judgment:
    version = f"The default version, {sanitize(seen.part.id, 20)},"
    expected = Expected(deployed, seen.resources).properties("EnforcementPolicy", "PolicyDocument")
    if isinstance(expected, Unread):
        return unverifiable(expected.reason)
    if names := policy_differences(seen.part.document, expected["PolicyDocument"]):
        return problem(f"{version} is not what the stack deployed; it differs in {listed(names, ', ')}")
    return fine(f"{version} is what the stack deployed")


def _group(group: GroupPolicies, deployed: Deployed) -> Judgment:
    own = deployed.settings.policy_arn
    wrong = [] if own in group.attached else ["The group lacks the enforcement policy, so its members are not enforced"]
    if others := [sanitize(each, 160) for each in (*group.attached, *group.inline) if each != own]:
        wrong.append(f"The group has other policies, which apply to every member: {listed(others, ', ')}")
    return problem(". ".join(wrong)) if wrong else fine("The group has the enforcement policy and no other policy")


def _root(root: Root, deployed: Deployed) -> Judgment:  # noqa: ARG001 - as every judge
    wrong = [*(["access keys"] if root.keys else []), *([] if root.mfa else ["no MFA device"])]
    if not wrong:
        return fine("Root has an MFA device and no access keys")
    if not root.keys and not root.password:
        reason = "Root has no MFA device, but also no password and no access keys"
        return Judgment(Verdict.CANNOT_VERIFY, reason, _NO_CREDENTIALS)
    return problem(f"Root has {' and '.join(wrong)}")


def _protection(protected: bool, deployed: Deployed) -> Judgment:  # noqa: FBT001, ARG001 - as every judge
    if protected:
        return fine("Termination protection is enabled")
    return problem("Termination protection is disabled, so one API call can delete the stack")


T = TypeVar("T")


@dataclass(frozen=True)
class _Checked(Generic[T]):
    """One row of the table of checks: what to read and how to judge it.

    `advice` is for problems. The fields of {deployed} and of {chosen}, its settings, are filled in.
    """

    name: str
    reading: Callable[[Readings], T | Unread]
    judge_reading: Callable[[T, Deployed], Judgment]
    advice: str
    advisory: bool = False

    def __call__(self, readings: Readings, deployed: Deployed) -> Check:
        read = self.reading(readings)
        if isinstance(read, Unread):
            found = problem(read.reason) if read.missing else Judgment(Verdict.CANNOT_VERIFY, read.reason)
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
            advisory=self.advisory or found.advisory,
            parts=found.parts,
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
        lambda readings: readings.seen(readings.rules),
        judge_rules,
        "mfa-guard does not see some events. If this is an emergency stop, mfa-guard start ends it. Otherwise enable "
        "each disabled rule with aws events enable-rule --region {chosen.region} --name NAME." + _RESTORE,
    ),
    _Checked(
        NOTICES_TOPIC,
        lambda readings: readings.notices,
        judge_subscriptions,
        "No one receives the notices." + _SUBSCRIBE + "{chosen.notices_topic_arn}",
    ),
    _Checked(
        "operations topic",
        lambda readings: readings.operations,
        judge_subscriptions,
        "No one receives the alarms." + _SUBSCRIBE + "{chosen.operations_topic_arn}",
    ),
    _Checked(
        "topic policies",
        lambda readings: readings.seen(readings.topic_policies),
        judge_topic_policies,
        "Others may publish forged notices, or the functions and the alarms may not publish." + _RESTORE,
    ),
    _Checked(
        "functions",
        lambda readings: readings.seen(readings.functions),
        judge_functions,
        "Events wait, or are lost when a function fails. If this is an emergency stop, mfa-guard start --all ends it. "
        "Otherwise remove a concurrency that you did not set with aws lambda delete-function-concurrency --region "
        "{chosen.region} --function-name NAME." + _RESTORE,
    ),
    _Checked(
        "exemption changes",
        lambda readings: readings.seen(readings.exemption_stream),
        judge_exemption_stream,
        "No one learns that an exemption was added. Look at every exemption with mfa-guard exempt list." + _RESTORE,
    ),
    _Checked(
        "schedule",
        lambda readings: readings.seen(readings.schedule),
        judge_schedule,
        "Sweeps do not start as deployed. If this is an emergency stop, mfa-guard start ends it. Start a sweep with "
        "mfa-guard sweep." + _RESTORE,
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
        lambda readings: readings.seen(readings.policy),
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
