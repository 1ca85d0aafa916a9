"""The same job as policies for Cloud Custodian.

Custodian evaluates filters in order, so the filters that need no call per user come first.
"""

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from benchmarks.population import NONCOMPLIANT, STATUS_TAG

Policy: TypeAlias = Mapping[str, object]

_UNTAGGED: Final = {f"tag:{STATUS_TAG}": "absent"}
_TAG: Final = {"type": "tag", "key": STATUS_TAG, "value": NONCOMPLIANT}


def sweep_policies(policy_arn: str, topic_arn: str, *, check_first: bool) -> Sequence[Policy]:
    """Return the policies of a sweep that also repairs drift: a policy that was detached, a tag that was removed.

    With `check_first`, the policy is attached only to users without it. Otherwise it is attached to every user in every
    sweep, which takes fewer calls, but writes for every user and cannot report who had drifted.
    """
    filters = [_not_attached(policy_arn)] if check_first else []
    reported = {"type": "credential", "key": "mfa_active"}
    return [
        _policy("enforce", filters, [_attach(policy_arn), _notify(topic_arn)]),
        _policy("mark", [_UNTAGGED, {**reported, "value": False}], [_TAG, _notify(topic_arn)]),
        _policy(
            "unmark",
            [{f"tag:{STATUS_TAG}": "present"}, {**reported, "value": True}],
            [{"type": "remove-tag", "tags": [STATUS_TAG]}],
        ),
    ]


def event_policy(policy_arn: str, topic_arn: str) -> Policy:
    """Return the policy for CreateUser events: if IAM lists no device, attach the policy, tag, and notify."""
    without = {"type": "mfa-device", "key": "MFADevices", "value": "empty"}
    made = _policy("on-create-user", [_UNTAGGED, without], [_attach(policy_arn), _TAG, _notify(topic_arn)])
    event = {"source": "iam.amazonaws.com", "event": "CreateUser", "ids": "requestParameters.userName"}
    return {**made, "mode": {"type": "cloudtrail", "role": "unused", "events": [event]}}


def _policy(name: str, filters: Sequence[object], actions: Sequence[object]) -> Policy:
    return {"name": name, "resource": "aws.iam-user", "filters": filters, "actions": actions}


def _not_attached(policy_arn: str) -> object:
    return {"not": [{"type": "policy", "key": "Arn", "value": policy_arn}]}


def _attach(policy_arn: str) -> object:
    return {"type": "set-policy", "state": "attached", "arn": policy_arn}


def _notify(topic_arn: str) -> object:
    return {"type": "notify", "to": ["security@example.com"], "transport": {"type": "sns", "topic": topic_arn}}
