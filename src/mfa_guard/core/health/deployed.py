"""What the stack deployed, so that the health checks can compare it with what AWS shows."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from mfa_guard.core.settings import Settings, required_variable


@dataclass(frozen=True)
class Deployed:
    """What the stack deployed, as the function's environment says; a change in IAM or EventBridge cannot alter it.

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
    """Return what SweepFunction's environment says was deployed; `own_arn` is SweepFunction's. Raises SettingsError."""
    return Deployed(
        settings=settings,
        stack_name=required_variable(environment, "STACK_NAME"),
        name_prefix=required_variable(environment, "NAME_PREFIX"),
        policy_digest=required_variable(environment, "POLICY_DIGEST"),
        rules=tuple(required_variable(environment, "RULE_NAMES").split(",")),
        functions=(*required_variable(environment, "RULE_TARGETS").split(","), own_arn),
        queue_url=required_variable(environment, "DEAD_LETTER_QUEUE_URL"),
    )


def policy_digest(document: object, *, account: str, partition: str) -> str:
    """Return the SHA-256 of a policy document's meaning, which is the same in every account and partition.

    IAM ignores the order of a list and treats a single value as a list of one, and so does the digest. ARNs of the
    policy's own account count as equal in all accounts.
    """
    text = json.dumps(_canonical(document), sort_keys=True)
    # The section sign is not ASCII and this JSON is, so no document can contain the sign and imitate another document.
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
