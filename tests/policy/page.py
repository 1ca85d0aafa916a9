"""Write docs/policy.md, which compares the enforcement policy with the policies that AWS publishes.

`make docs` runs this module. The evaluator computes every decision on the page, for the policy that the template
renders. test_page.py fails if the page is not current.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mfa_guard_cli.policy.evaluator import Decision, Document, Policy, evaluate, parse_policy
from mfa_guard_cli.policy.requests import (
    ALICE,
    ANN,
    ANNS_ARN,
    BOB,
    BOBS_ARN,
    BUCKET_OBJECT,
    CONSOLE,
    CONSOLE_MFA,
    DANA,
    DANAS_ARN,
    EVES_ARN,
    FORWARDED,
    KEY,
    MCP,
    SECTIONS,
)
from mfa_guard_cli.policy.row import ACCOUNT, DEPLOYMENTS, HOME_REGIONS, Caller, Credentials, Deployment, Row
from mfa_guard_cli.stack.template import load_template
from policy.published import Published, published

PAGE: Final = Path(__file__).parents[2] / "docs" / "policy.md"

# The partition of the ARNs in the published policies.
PARTITION: Final = "aws"
_DECISIONS: Final = {Decision.ALLOW: "allowed", Decision.DENY: "denied", Decision.IMPLICIT_DENY: "not granted"}
_TEMPLATE: Final = load_template()
_OWN_ACCOUNT: Final = f"arn:{PARTITION}:iam::{ACCOUNT}:"


@dataclass(frozen=True, slots=True)
class Question:
    """A question about a policy, and the row of the request table that answers it."""

    text: str
    caller: Caller
    credentials: Credentials
    action: str
    resource: str

    def row(self) -> Row:
        """Return the row for the default values of both parameters. There is exactly one."""
        [found] = [
            row
            for rows in SECTIONS.values()
            for row in rows
            if (row.caller, row.credentials, row.action, row.resource)
            == (self.caller, self.credentials, self.action, self.resource)
            and row.holds_in(DEPLOYMENTS[0])
        ]
        return found


_DEVICE: Final = "arn:{partition}:iam::{account}:mfa/"

QUESTIONS: Final = (
    Question("May a user without other permissions enroll a device?", BOB, CONSOLE, "iam:EnableMFADevice", BOBS_ARN),
    Question("... with any device name?", BOB, CONSOLE, "iam:CreateVirtualMFADevice", f"{_DEVICE}work-phone"),
    Question("... if the user has a path?", DANA, CONSOLE, "iam:EnableMFADevice", DANAS_ARN),
    Question("... set the password that the first sign-in requires?", BOB, CONSOLE, "iam:ChangePassword", BOBS_ARN),
    Question("May an administrator's stolen key enroll another user?", ANN, KEY, "iam:EnableMFADevice", EVES_ARN),
    Question("... resynchronize another user's device?", ANN, KEY, "iam:ResyncMFADevice", EVES_ARN),
    Question("... delete another user's device?", ANN, KEY, "iam:DeleteVirtualMFADevice", f"{_DEVICE}eve"),
    Question("... deactivate the administrator's device?", ANN, KEY, "iam:DeactivateMFADevice", ANNS_ARN),
    Question("... list all users?", ANN, KEY, "iam:ListUsers", "*"),
    Question("May Athena read for a user with MFA?", ALICE, FORWARDED, "s3:GetObject", BUCKET_OBJECT),
    Question("May an agent read through an MCP server without MFA?", ALICE, MCP, "s3:GetObject", BUCKET_OBJECT),
    Question(
        "May a user with MFA delete their device?", BOB, CONSOLE_MFA, "iam:DeleteVirtualMFADevice", f"{_DEVICE}bob"
    ),
    Question("... create an access key?", BOB, CONSOLE_MFA, "iam:CreateAccessKey", BOBS_ARN),
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A row of the request table in one deployment, and the decision of each policy, mfa-guard's first."""

    row: Row
    deployment: Deployment
    decisions: tuple[Decision, ...]

    @property
    def differs(self) -> bool:
        """Return whether the policies decide differently."""
        return len(set(self.decisions)) > 1


def compare() -> dict[str, tuple[Comparison, ...]]:
    """Return every row that applies to PARTITION, by section, with the first parameters to which the row applies."""
    ours = {deployment: parse_policy(_document(deployment)) for deployment in _deployments()}
    others = [each.policy for each in published()]
    return {
        section: tuple(
            _compare(row, deployment, [ours[deployment], *others])
            for row in rows
            for deployment in [next(filter(row.holds_in, ours), None)]
            if deployment is not None
        )
        for section, rows in SECTIONS.items()
    }


def _deployments() -> list[Deployment]:
    return [deployment for deployment in DEPLOYMENTS if deployment.partition == PARTITION]


def _document(deployment: Deployment) -> Document:
    stack = _TEMPLATE.render(account=ACCOUNT, region=HOME_REGIONS[PARTITION], parameters=deployment.parameters())
    return stack.policy_document("EnforcementPolicy")


def _compare(row: Row, deployment: Deployment, policies: Sequence[Policy]) -> Comparison:
    request = row.request(deployment)
    return Comparison(row, deployment, tuple(evaluate(row.policies(policy), request) for policy in policies))


def render() -> str:
    """Return the page."""
    sections = compare()
    others = published()
    return "\n".join(
        [
            *_introduction(others),
            *_summary(sections, others),
            *_answers(sections, others),
            *_differences(sections, others),
        ]
    )


def _introduction(others: Sequence[Published]) -> Iterator[str]:
    yield from (
        "# The enforcement policy, compared with others",
        "",
        "<!-- `make docs` writes this page. tests/policy/test_page.py fails if it is not current. -->",
        "",
        "This page compares mfa-guard's enforcement policy with the policies that AWS publishes for the same purpose.",
        "",
        "An [evaluator](../cli/mfa_guard_cli/policy/evaluator.py) of IAM's documented logic computed every decision.",
        "It evaluated the requests of a [table](../cli/mfa_guard_cli/policy/requests.py) with mfa-guard's policy, as",
        "[template.yaml](../template.yaml) renders it in the partition `aws`, and with each of these policies:",
        "",
    )
    for each in others:
        yield f"- **{each.heading}**: [{each.title}]({each.url}). The text is from {each.read_from}."
    yield from (
        "",
        "AWS may have changed its policies since. No request was sent to AWS.",
        "",
        "A decision is one of these:",
        "",
        "- *allowed*: a policy of the caller allows the request, and no policy denies it.",
        "- *denied*: the policy denies the request, even if another policy allows it.",
        "- *not granted*: no policy denies the request, and no policy allows it. IAM refuses it until another policy",
        "  allows it.",
        "",
        "The users bob, dana, omar, and erin@example.com have no other permissions. The user alice is a developer",
        "without permissions for IAM. The users ann and pat are administrators.",
        "",
        "What one of AWS's MCP servers sends about MFA, and whether its calls count as forwarded by a service, is",
        "undocumented. The rows about it hold for the credentials that they name: the same agent can be each of them.",
        "",
    )


def _summary(sections: dict[str, tuple[Comparison, ...]], others: Sequence[Published]) -> Iterator[str]:
    compared = [each for comparisons in sections.values() for each in comparisons]
    yield from (
        "## Summary",
        "",
        f"The table counts the decisions of each policy about {len(compared)} requests:",
        "",
        "- *Same decision*: as mfa-guard's policy.",
        "- *Looser*: the policy allows the request, and mfa-guard's policy does not.",
        "- *Stricter*: mfa-guard's policy allows the request, and the policy does not.",
        "- *Refused differently*: neither policy allows the request, and only one of them denies it.",
        "",
        "| Policy | Statements | Characters of 6,144 | Same decision | Looser | Stricter | Refused differently |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    )
    columns = [(_OURS, _document(DEPLOYMENTS[0])), *((each.heading, each.document) for each in others)]
    for index, (heading, document) in enumerate(columns):
        counts = Counter(_kind(each.decisions[0], each.decisions[index]) for each in compared)
        cells = [heading, *map(str, _size(document)), *(str(counts[kind]) for kind in _KINDS)]
        yield f"| {' | '.join(cells)} |"
    yield ""


_OURS: Final = "mfa-guard"
_KINDS: Final = ("same", "looser", "stricter", "refused differently")


def _kind(ours: Decision, other: Decision) -> str:
    if ours is other:
        return "same"
    if Decision.ALLOW not in {ours, other}:
        return "refused differently"
    return "looser" if other is Decision.ALLOW else "stricter"


def _size(document: Document) -> tuple[int, int]:
    statements = document["Statement"]
    assert isinstance(statements, list)
    return len(statements), len("".join(json.dumps(document).split()))


def _answers(sections: dict[str, tuple[Comparison, ...]], others: Sequence[Published]) -> Iterator[str]:
    found = {each.row: each for comparisons in sections.values() for each in comparisons}
    yield from ("## Main differences", "", _line("Question", *_headings(others)), _rule(2 + len(others)))
    for question in QUESTIONS:
        yield _line(question.text, *_decisions(found[question.row()]))
    yield ""


def _differences(sections: dict[str, tuple[Comparison, ...]], others: Sequence[Published]) -> Iterator[str]:
    yield from (
        "## Request by request",
        "",
        "These tables list the requests that the policies decide differently. Decisions that differ from those of",
        "mfa-guard's policy are bold. If the reason names a parameter, mfa-guard's policy is the one with that value",
        "of the parameter.",
    )
    for section, comparisons in sections.items():
        differing = [each for each in comparisons if each.differs]
        yield from (
            "",
            f"### {section}",
            "",
            f"{len(differing)} of {len(comparisons)} requests are decided differently.",
        )
        if not differing:
            continue
        yield from ("", _line("Caller, credentials", "Request", *_headings(others), "Reason for mfa-guard's decision"))
        yield _rule(4 + len(others))
        for each in differing:
            caller = f"{each.row.caller.name or 'a role'}, {each.row.credentials.name}"
            yield _line(caller, _request(each), *_decisions(each), _reason(each.row))
    yield ""


def _request(comparison: Comparison) -> str:
    request = comparison.row.request(comparison.deployment)
    resource = request.resource.removeprefix(_OWN_ACCOUNT)
    return f"`{request.action}`" if resource == "*" else f"`{request.action}` on `{resource}`"


def _reason(row: Row) -> str:
    parameters = {"AllowPasswordChangeWithoutMfa": row.passwords, "AllowEnrollmentWithAccessKeys": row.keys}
    return row.why + "".join(f" (`{name}: {value}`)" for name, value in parameters.items() if value)


def _decisions(comparison: Comparison) -> Iterator[str]:
    ours = comparison.decisions[0]
    for decision in comparison.decisions:
        yield _DECISIONS[decision] if decision is ours else f"**{_DECISIONS[decision]}**"


def _headings(others: Sequence[Published]) -> list[str]:
    return [_OURS, *(each.heading for each in others)]


def _rule(columns: int) -> str:
    return _line(*["---"] * columns)


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    PAGE.write_text(render(), "utf-8")
