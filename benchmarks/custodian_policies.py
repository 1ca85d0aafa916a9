"""The same job in Cloud Custodian's words.

Its filters are asked in order, so the cheap ones, which need no call per user, come first.
"""

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from benchmarks.population import NONCOMPLIANT, STATUS_TAG

Policy: TypeAlias = Mapping[str, object]

_UNTAGGED: Final = {f"tag:{STATUS_TAG}": "absent"}
_TAG: Final = {"type": "tag", "key": STATUS_TAG, "value": NONCOMPLIANT}


def sweeping(policy_arn: str, topic_arn: str, *, asking: bool) -> Sequence[Policy]:
    """Return the policies of a sweep that also repairs drift: a policy that was detached, a tag that was removed.

    `asking`: only those get the policy who are found without it. Otherwise everybody gets it in every sweep, which
    takes fewer calls, writes for every user, and cannot say who had drifted.
    """
    filters = [_unbound(policy_arn)] if asking else []
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


def on_create_user(policy_arn: str, topic_arn: str) -> Policy:
    """Return the policy of its Lambda function for one CreateUser event: no device, live; bound, tagged and told."""
    without = {"type": "mfa-device", "key": "MFADevices", "value": "empty"}
    made = _policy("on-create-user", [_UNTAGGED, without], [_attach(policy_arn), _TAG, _notify(topic_arn)])
    event = {"source": "iam.amazonaws.com", "event": "CreateUser", "ids": "requestParameters.userName"}
    return {**made, "mode": {"type": "cloudtrail", "role": "unused", "events": [event]}}


def _policy(name: str, filters: Sequence[object], actions: Sequence[object]) -> Policy:
    return {"name": name, "resource": "aws.iam-user", "filters": filters, "actions": actions}


def _unbound(policy_arn: str) -> object:
    return {"not": [{"type": "policy", "key": "Arn", "value": policy_arn}]}


def _attach(policy_arn: str) -> object:
    return {"type": "set-policy", "state": "attached", "arn": policy_arn}


def _notify(topic_arn: str) -> object:
    return {"type": "notify", "to": ["security@example.com"], "transport": {"type": "sns", "topic": topic_arn}}
