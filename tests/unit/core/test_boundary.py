"""Which permissions boundaries keep a user from enrolling an MFA device."""

import pytest

from mfa_guard.core.boundary import keeps_from_enrolling
from mfa_guard_cli.stack.template import load_template
from support.factories import ACCOUNT, settings, state

ENROLLING = ["iam:CreateVirtualMFADevice", "iam:EnableMFADevice"]
WITHOUT_MFA = {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}
WITH_MFA = {"Bool": {"aws:MultiFactorAuthPresent": ["true"]}}
OFFICE = {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}


def allow(action: object = "*", resource: object = "*", **more: object) -> dict[str, object]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: object = "*", resource: object = "*", **more: object) -> dict[str, object]:
    return allow(action, resource, **more) | {"Effect": "Deny"}


def without(statement: dict[str, object], element: str) -> dict[str, object]:
    """Return the statement with the opposite of an element: NotAction or NotResource."""
    kept = {key: value for key, value in statement.items() if key != element}
    return {**kept, f"Not{element}": statement[element]}


OPEN: dict[str, list[dict[str, object]]] = {
    "everything": [allow()],
    "the two actions": [allow(ENROLLING)],
    "any case, with wildcards": [allow(["IAM:create*MFADevic?", "iam:ENABLE*"])],
    "everything but S3": [without(allow("s3:*"), "Action")],
    "the user's own resources": [
        allow(ENROLLING[0], f"arn:aws:iam::{ACCOUNT}:mfa/*"),
        allow(ENROLLING[1], f"arn:aws:iam::{ACCOUNT}:user/*${{aws:username}}"),
    ],
    "every other user's resources are left out": [
        without(allow(resource=f"arn:aws:iam::{ACCOUNT}:user/bob"), "Resource")
    ],
    "an Allow with another condition": [allow(Condition=OFFICE)],
    "an Allow for sessions without MFA": [allow(Condition=WITHOUT_MFA)],
    "a Deny of something else": [allow(), deny("s3:*"), deny(resource="arn:aws:s3:::*")],
    "a Deny without MFA that leaves enrolling out": [
        allow(),
        without(deny(ENROLLING, Condition=WITHOUT_MFA), "Action"),
    ],
    "a Deny with another condition": [allow(), deny(Condition=OFFICE)],
    "a Deny of sessions with MFA": [allow(), deny(Condition=WITH_MFA)],
    "an empty condition": [allow(Condition={})],
}
CLOSED: dict[str, list[dict[str, object]]] = {
    "nothing": [],
    "S3 only": [allow("s3:*")],
    "one action of the two": [allow(ENROLLING[0])],
    "the other action": [allow(ENROLLING[1])],
    "another user": [allow(resource=[f"arn:aws:iam::{ACCOUNT}:user/bob", f"arn:aws:iam::{ACCOUNT}:mfa/*"])],
    "a path that the user does not have": [allow(resource=f"arn:aws:iam::{ACCOUNT}:*/staff/alice")],
    "everything but IAM": [without(allow("iam:*"), "Action")],
    "an Allow only with MFA": [allow(Condition=WITH_MFA)],
    "a Deny": [allow(), deny("iam:EnableMFADevice")],
    "a Deny of everything but S3": [allow(), without(deny("s3:*"), "Action")],
    "a Deny of everything without MFA": [allow(), deny(Condition=WITHOUT_MFA)],
}


@pytest.mark.parametrize("title", OPEN)
def test_these_let_a_user_enroll(title: str) -> None:
    assert not keeps_from_enrolling({"Statement": OPEN[title]}, state(), settings())


@pytest.mark.parametrize("title", CLOSED)
def test_these_keep_a_user_from_enrolling(title: str) -> None:
    assert keeps_from_enrolling({"Statement": CLOSED[title]}, state(), settings())


def test_a_single_statement_needs_no_list() -> None:
    assert not keeps_from_enrolling({"Statement": allow()}, state(), settings())


@pytest.mark.parametrize("document", [{}, {"Statement": "?"}, {"Statement": [allow(action=None)]}])
def test_a_document_without_a_statement_allows_nothing(document: dict[str, object]) -> None:
    assert keeps_from_enrolling(document, state(), settings())


def test_the_users_path_id_and_partition_are_part_of_the_comparison() -> None:
    user = state(path="/staff/")
    chosen = settings(policy_arn=f"arn:aws-cn:iam::{ACCOUNT}:policy/x")
    own = [allow(resource=[f"arn:aws-cn:iam::{ACCOUNT}:user/staff/alice", f"arn:aws-cn:iam::{ACCOUNT}:mfa/alice"])]
    assert not keeps_from_enrolling({"Statement": own}, user, chosen)
    assert keeps_from_enrolling({"Statement": own}, user, settings())
    by_id = {"Statement": [allow(resource=["*:mfa/*", "*:user/*alice"]), deny(resource="*${aws:userid}*")]}
    assert not keeps_from_enrolling(by_id, user, chosen)


def test_the_enforcement_policy_itself_lets_a_user_enroll() -> None:
    stack = load_template().render()
    chosen = settings(policy_arn=f"arn:aws:iam::{stack.account}:policy/x")
    assert not keeps_from_enrolling(stack.policy_document("EnforcementPolicy"), state(), chosen)
