"""Judge who receives the notices and alarms, and who may publish them."""

from collections import Counter
from collections.abc import Mapping
from typing import Final

from mfa_guard.core.health.comparison import policy_differences
from mfa_guard.core.health.content import TOPIC_POLICY
from mfa_guard.core.health.deployed import Deployed, Expected
from mfa_guard.core.health.judgment import Judgment, Verdict, fine, listed, problem, unverifiable
from mfa_guard.core.health.readings import Seen, Subscriptions, Unread
from mfa_guard.core.sanitize import sanitize

_FILTERS: Final = (
    "Check that another subscription, without a filter policy, reaches a person. To remove a filter policy: aws sns "
    "set-subscription-attributes --attribute-name FilterPolicy --attribute-value '{}' --subscription-arn ARN"
)


def judge_subscriptions(found: Subscriptions, deployed: Deployed) -> Judgment:  # noqa: ARG001 - as every judge
    """Judge whether a confirmed subscription receives every message."""
    confirmed = found.confirmed
    if not confirmed:
        if found.pending:
            return problem(f"No subscription is confirmed. Subscriptions that wait for confirmation: {found.pending}")
        return problem("The topic has no subscription")
    protocols = Counter(sanitize(each.protocol, 20) for each in confirmed)
    shown = ", ".join(f"{protocol} {count}" for protocol, count in sorted(protocols.items()))
    unread = [each.filtered for each in confirmed if isinstance(each.filtered, Unread)]
    filtered = sum(each.filtered is True for each in confirmed)
    if len(unread) + filtered < len(confirmed):
        reason = f"Confirmed subscriptions: {shown}"
        if not filtered:
            return fine(reason)
        return Judgment(
            Verdict.PROBLEM, f"{reason}. Of these, {filtered} with a filter policy", _FILTERS, advisory=True
        )
    if unread:
        return unverifiable(f"It is not certain that a subscription gets every message: {unread[0].reason}")
    return Judgment(
        Verdict.PROBLEM, f"Every confirmed subscription has a filter policy, which discards messages: {shown}", _FILTERS
    )


def judge_topic_policies(seen: Seen[Mapping[str, object]], deployed: Deployed) -> Judgment:
    """Judge whether the topics' policies, by the topics' ARNs, are the stack's; a policy may be `Unread`."""
    expected = Expected(deployed, seen.resources)
    if expected.unread:
        return unverifiable(expected.unread.reason)
    faults, unknown = list[str](), list[str]()
    for logical_id in expected.of_type(TOPIC_POLICY):
        properties = expected.properties(logical_id, "Topics", "PolicyDocument")
        if isinstance(properties, Unread):
            unknown.append(properties.reason)
            continue
        topics = properties["Topics"]
        for topic in topics if isinstance(topics, list) else ():
            policy = seen.part.get(topic, Unread(f"The topic {topic} was not read"))
            if isinstance(policy, Unread):
                unknown.append(policy.reason)
            elif names := policy_differences(policy, properties["PolicyDocument"]):
                faults.append(f"that of {topic.rpartition(':')[2]} in {listed(names, ', ')}")
    if faults:
        return problem(f"Topic policies that are not what the stack deployed: {'; '.join(faults)}")
    if unknown:
        return unverifiable(f"The topics' policies cannot be compared with what the stack deployed: {unknown[0]}")
    return fine("Both topics have the policies that the stack deployed")
