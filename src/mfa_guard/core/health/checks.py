"""Whether the guard itself can still do its work: what was read of it, and what follows.

Every check stands for itself: what could not be read makes its own check unverifiable and no other.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Generic, TypeVar

from mfa_guard.core.sanitize import sanitize
from mfa_guard.core.settings import Settings, required_variable

NOTICES_TOPIC: Final = "notices topic"


class Verdict(StrEnum):
    """What a check came to."""

    FINE = "fine"
    PROBLEM = "problem"
    CANNOT_VERIFY = "cannot verify"


@dataclass(frozen=True)
class Check:
    """One thing that was checked. `reason` and `advice` are sentences; `advice` is empty when all is fine.

    An `advisory` check is good practice that the guard's work does not depend on: it never counts as a problem.
    """

    name: str
    verdict: Verdict
    reason: str
    advice: str
    advisory: bool = False

    @property
    def label(self) -> str:
        """Return the verdict as people read it: what an advisory check finds wrong is called advice."""
        return "advice" if self.advisory and self.verdict is Verdict.PROBLEM else self.verdict.value


def problems(checks: Iterable[Check]) -> tuple[Check, ...]:
    """Return the checks that count as problems of the guard."""
    return tuple(check for check in checks if check.verdict is Verdict.PROBLEM and not check.advisory)


@dataclass(frozen=True)
class Deployed:
    """What the stack deployed, as the function's own configuration says: whoever changes IAM or rules cannot touch it.

    The names of the stack's rules begin with `name_prefix`. `rules` are names. `functions` are ARNs, and each rule must
    invoke one of them. For `policy_digest` see the function of that name.
    """

    settings: Settings
    stack_name: str
    name_prefix: str
    policy_digest: str
    rules: tuple[str, ...]
    functions: tuple[str, ...]
    queue_url: str


def parse_deployed(environment: Mapping[str, str], settings: Settings, own_arn: str) -> Deployed:
    """Return what SweepFunction's environment says was deployed; `own_arn` is the function's. Raises SettingsError."""
    return Deployed(
        settings=settings,
        stack_name=required_variable(environment, "STACK_NAME"),
        name_prefix=required_variable(environment, "NAME_PREFIX"),
        policy_digest=required_variable(environment, "POLICY_DIGEST"),
        rules=tuple(required_variable(environment, "RULE_NAMES").split(",")),
        functions=(*required_variable(environment, "RULE_TARGETS").split(","), own_arn),
        queue_url=required_variable(environment, "DEAD_LETTER_QUEUE_URL"),
    )


@dataclass(frozen=True)
class Unread:
    """AWS gave no answer to a read, for the reason in AWS's words. `missing`: because there is no such thing."""

    reason: str
    missing: bool = False


@dataclass(frozen=True)
class BasicSelector:
    """A basic event selector of a trail."""

    management: bool
    read_write: str
    excluded: tuple[str, ...]

    def takes_iam_writes(self) -> bool:
        """Tell whether management write events of IAM pass."""
        return self.management and self.read_write in {"All", "WriteOnly"} and _IAM not in self.excluded


@dataclass(frozen=True)
class FieldFilter:
    """One condition of an advanced event selector, such as readOnly Equals false."""

    field: str
    operator: str
    values: tuple[str, ...]

    def takes(self, event: Mapping[str, str]) -> bool:
        """Tell whether events with these fields pass.

        A field that `event` lacks differs from event to event, so a condition on it lets only some of them through.
        """
        test = _OPERATORS.get(self.operator)
        return test is not None and self.field in event and test(event[self.field], self.values)


@dataclass(frozen=True)
class AdvancedSelector:
    """An advanced event selector of a trail: every filter has to pass.

    https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_AdvancedFieldSelector.html
    """

    filters: tuple[FieldFilter, ...]

    def takes_iam_writes(self) -> bool:
        """Tell whether all management write events of IAM pass."""
        return all(each.takes(_IAM_WRITE) for each in self.filters)


_IAM: Final = "iam.amazonaws.com"
_IAM_WRITE: Final[Mapping[str, str]] = {"eventCategory": "Management", "eventSource": _IAM, "readOnly": "false"}
_OPERATORS: Final[Mapping[str, Callable[[str, tuple[str, ...]], bool]]] = {
    "Equals": lambda value, given: value in given,
    "StartsWith": lambda value, given: value.startswith(given),
    "EndsWith": lambda value, given: value.endswith(given),
    "NotEquals": lambda value, given: value not in given,
    "NotStartsWith": lambda value, given: not value.startswith(given),
    "NotEndsWith": lambda value, given: not value.endswith(given),
}


@dataclass(frozen=True)
class Trail:
    """A trail as DescribeTrails shows it in every region that it covers."""

    arn: str
    home_region: str
    multi_region: bool
    global_events: bool


@dataclass(frozen=True)
class TrailState:
    """What only a trail's home region tells."""

    logging: bool
    selectors: tuple[BasicSelector | AdvancedSelector, ...]


@dataclass(frozen=True)
class Rule:
    """An EventBridge rule; `targets` are ARNs."""

    state: str
    targets: tuple[str, ...]


@dataclass(frozen=True)
class PolicyVersion:
    """The default version of a managed policy."""

    id: str
    document: object


@dataclass(frozen=True)
class GroupPolicies:
    """What a group carries: ARNs of managed policies, names of inline ones."""

    attached: tuple[str, ...]
    inline: tuple[str, ...]


@dataclass(frozen=True)
class Root:
    """The root user's credentials."""

    mfa: bool
    keys: bool
    password: bool


@dataclass(frozen=True)
class Readings:
    """Everything that was read, each part or why it was not.

    `trails` may end with the first that is fine. `rules` are keyed by name. The topics are the ARNs of their
    subscriptions, or the word that SNS puts in an ARN's place. `dead_letters` counts messages.
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


def policy_digest(document: object, *, account: str, partition: str) -> str:
    """Return the SHA-256 of a policy document's meaning, the same in every account and partition.

    Order and single values instead of lists make no difference in IAM and make none here; the account's own ARNs are
    read as such.
    """
    text = json.dumps(_canonical(document), sort_keys=True)
    # The sign is not ASCII, as JSON is here, so no document can contain it and pass for another one.
    return hashlib.sha256(text.replace(f"arn:{partition}:iam::{account}:", "§").encode()).hexdigest()


def _canonical(value: object) -> object:
    match value:
        case bool():
            return str(value).lower()
        case dict():
            return {key: _canonical(each) for key, each in value.items()}
        case [single]:
            return _canonical(single)
        case list():
            return sorted(map(_canonical, value), key=lambda each: json.dumps(each, sort_keys=True))
        case _:
            return value


def judge(readings: Readings, deployed: Deployed) -> tuple[Check, ...]:
    """Return every check, always in the same order."""
    return tuple(check(readings, deployed) for check in _CHECKS)


def gap(trail: Trail, state: TrailState | Unread, region: str) -> str | Unread | None:
    """Return what keeps a trail from bringing IAM's events to `region`, or None when nothing does."""
    if not trail.global_events:
        return "leaves out the events of global services"
    if not trail.multi_region and trail.home_region != region:
        return f"covers {trail.home_region} only"
    if isinstance(state, Unread):
        return state
    if not state.logging:
        return "is not logging"
    if not any(selector.takes_iam_writes() for selector in state.selectors):
        return "does not record all management write events of IAM"
    return None


@dataclass(frozen=True)
class _Judgment:
    """A verdict; `advice` replaces what is usually advised for it."""

    verdict: Verdict
    reason: str
    advice: str | None = None


def _fine(reason: str) -> _Judgment:
    return _Judgment(Verdict.FINE, reason)


def _problem(reason: str) -> _Judgment:
    return _Judgment(Verdict.PROBLEM, reason)


_SHOWN: Final = 6


def _listed(texts: Sequence[str], joint: str) -> str:
    rest = [f"and {len(texts) - _SHOWN} more"] if len(texts) > _SHOWN else []
    return joint.join([*texts[:_SHOWN], *rest])


def _trails(trails: Mapping[Trail, TrailState | Unread], deployed: Deployed) -> _Judgment:
    region = deployed.settings.region
    gaps = [(sanitize(trail.arn), gap(trail, state, region)) for trail, state in trails.items()]
    if good := [arn for arn, found in gaps if found is None]:
        return _fine(f"{good[0]} is logging and records IAM's management write events")
    wrong = [f"{arn} {found}" for arn, found in gaps if isinstance(found, str)]
    if unread := [
        f"no answer about {arn} ({sanitize(found.reason)})" for arn, found in gaps if isinstance(found, Unread)
    ]:
        reason = f"Perhaps no trail brings IAM's events: {_listed([*unread, *wrong], '; ')}"
        return _Judgment(Verdict.CANNOT_VERIFY, reason, _UNREAD_TRAIL)
    if not wrong:
        return _problem("No trail covers this Region")
    return _problem(f"No trail brings IAM's events: {_listed(wrong, '; ')}")


def _rules(rules: Mapping[str, Rule], deployed: Deployed) -> _Judgment:
    found = {name: _fault(rules.get(name), deployed.functions) for name in deployed.rules}
    if wrong := [f"{name} {fault}" for name, fault in found.items() if fault]:
        return _problem(f"Rules that do not work: {_listed(wrong, '; ')}")
    return _fine(f"All {len(found)} rules are enabled and wake the guard's functions")


# https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_Rule.html
_ENABLED: Final = ("ENABLED", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS")


def _fault(rule: Rule | None, functions: Sequence[str]) -> str | None:
    if rule is None:
        return "does not exist"
    if rule.state not in _ENABLED:
        return f"is {sanitize(rule.state, 40)}"
    return None if set(functions) & set(rule.targets) else "wakes none of the guard's functions"


def _subscriptions(subscriptions: Sequence[str], deployed: Deployed) -> _Judgment:  # noqa: ARG001 - as every judge
    if confirmed := sum(each.startswith("arn:") for each in subscriptions):
        return _fine(f"Confirmed subscriptions: {confirmed}")
    if pending := sum(each != "Deleted" for each in subscriptions):
        return _problem(f"No subscription is confirmed; not yet confirmed: {pending}")
    return _problem("There is no subscription")


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
    wrong = [] if own in group.attached else ["It lacks the enforcement policy, so its members are not bound"]
    if others := [sanitize(each, 160) for each in (*group.attached, *group.inline) if each != own]:
        wrong.append(f"It carries what spreads to every member: {_listed(others, ', ')}")
    return _problem(". ".join(wrong)) if wrong else _fine("It carries the enforcement policy and no other")


def _root(root: Root, deployed: Deployed) -> _Judgment:  # noqa: ARG001 - as every judge
    wrong = [*(["access keys"] if root.keys else []), *([] if root.mfa else ["no MFA device"])]
    if not wrong:
        return _fine("Root has MFA and no access keys")
    if not root.keys and not root.password:
        return _Judgment(Verdict.CANNOT_VERIFY, "Root has no MFA device, but nothing to sign in with either", _NO_ROOT)
    return _problem(f"Root has {' and '.join(wrong)}")


def _protection(protected: bool, deployed: Deployed) -> _Judgment:  # noqa: FBT001, ARG001 - as every judge
    return _fine("The stack is protected against deletion") if protected else _problem("One call deletes the stack")


T = TypeVar("T")


@dataclass(frozen=True)
class _Checked(Generic[T]):
    """One thing to check. `advice` is for problems, with fields of {deployed} and {chosen}, its settings, filled in."""

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

# What is advised when AWS refused the read to the function.
UNREAD_ADVICE: Final = (
    "If access was denied, compare SweepFunction's role with the template and look for a service control policy that "
    "denies the call; otherwise the next sweep tries again."
)
_UNREAD_TRAIL: Final = (
    "Ask whoever runs that trail whether it is logging management write events; while changes of users bring notices, "
    "it is."
)
_NO_ROOT: Final = (
    "Nothing is to be done if your organization manages root access centrally and has account recovery switched off; "
    "otherwise whoever reads root's mail can set a password: set one yourself, and enroll an MFA device."
)

# An ordinary deployment changes only what differs from the last one, not what somebody changed in between.
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/drift-aware-change-sets.html
_RESTORE: Final = (
    "for what is gone or altered, make a change set of the stack {deployed.stack_name} with --deployment-mode "
    "REVERT_DRIFT, keeping every parameter's previous value, and see in CloudTrail who did it."
)

_CHECKS: Final[tuple[Callable[[Readings, Deployed], Check], ...]] = (
    _Checked(
        "trail",
        lambda readings: readings.trails,
        _trails,
        "IAM's events do not reach the guard; only sweeps find users who need it. Start a trail again with aws "
        "cloudtrail start-logging, or let one record management write events and global services in all Regions.",
    ),
    _Checked(
        "rules",
        lambda readings: readings.rules,
        _rules,
        "Events go unseen. Unless this is an emergency stop that still lasts (mfa-guard start ends it), enable the "
        "rules again (aws events enable-rule --region {chosen.region} --name NAME); " + _RESTORE,
    ),
    _Checked(
        NOTICES_TOPIC,
        lambda readings: readings.notices,
        _subscriptions,
        "Notices reach nobody. Confirm the mail that AWS sent, or subscribe: aws sns subscribe --region "
        "{chosen.region} --topic-arn {chosen.notices_topic_arn} --protocol email --notification-endpoint ADDRESS",
    ),
    _Checked(
        "operations topic",
        lambda readings: readings.operations,
        _subscriptions,
        "Alarms reach nobody. Confirm the mail that AWS sent, or subscribe: aws sns subscribe --region "
        "{chosen.region} --topic-arn {chosen.operations_topic_arn} --protocol email --notification-endpoint ADDRESS",
    ),
    _Checked(
        "dead-letter queue",
        lambda readings: readings.dead_letters,
        _dead_letters,
        "They are kept for 14 days. Mend the cause that the functions' logs name, then redrive them as the runbook "
        "says, or with mfa-guard dead-letters redrive: {deployed.queue_url}",
    ),
    _Checked(
        "enforcement policy",
        lambda readings: readings.policy,
        _policy,
        "Users may not be bound, or locked out. Find the right version (aws iam list-policy-versions --policy-arn "
        "{chosen.policy_arn}) and make it the default (aws iam set-default-policy-version); " + _RESTORE,
    ),
    _Checked(
        "enforcement group",
        lambda readings: readings.group,
        _group,
        "Put the policy back with aws iam attach-group-policy --group-name {chosen.group_name} --policy-arn "
        "{chosen.policy_arn}, take others off with detach-group-policy or delete-group-policy; " + _RESTORE,
    ),
    _Checked(
        "root",
        lambda readings: readings.root,
        _root,
        "No policy of this account binds root. Sign in as root, enroll an MFA device, and delete access keys.",
    ),
    _Checked(
        "termination protection",
        lambda readings: readings.termination_protection,
        _protection,
        "Switch it on: aws cloudformation update-termination-protection --enable-termination-protection --region "
        "{chosen.region} --stack-name {deployed.stack_name}",
        advisory=True,
    ),
)
