"""Write docs/policy.md: the enforcement policy beside published policies, request by request where they differ.

`make docs` runs this module. Every answer on the page comes from the evaluator, for the policy as the template renders
it. test_page.py fails while the page is not current.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mfa_guard_cli.policy.evaluator import Decision, Document, Policy, evaluate, parse_policy
from mfa_guard_cli.policy.requests import (
    ACCOUNT,
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
    DEPLOYMENTS,
    EVES_ARN,
    FORWARDED,
    HOME_REGIONS,
    KEY,
    SECTIONS,
    Caller,
    Credentials,
    Deployment,
    Row,
)
from mfa_guard_cli.stack.template import load_template
from policy.published import Published, published

PAGE: Final = Path(__file__).parents[2] / "docs" / "policy.md"

# The partition of the ARNs in the published policies.
PARTITION: Final = "aws"
WORDS: Final = {Decision.ALLOW: "allowed", Decision.DENY: "denied", Decision.IMPLICIT_DENY: "not granted"}
_TEMPLATE: Final = load_template()
_OWN: Final = f"arn:{PARTITION}:iam::{ACCOUNT}:"


@dataclass(frozen=True, slots=True)
class Question:
    """A question of someone who chooses a policy, and the row of the request table that answers it."""

    text: str
    caller: Caller
    credentials: Credentials
    action: str
    resource: str

    def row(self) -> Row:
        """Return the row for the defaults of both parameters. There is exactly one."""
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
    Question("Can Bob, who has no other permission, enroll?", BOB, CONSOLE, "iam:EnableMFADevice", BOBS_ARN),
    Question("... a device of any name?", BOB, CONSOLE, "iam:CreateVirtualMFADevice", f"{_DEVICE}work-phone"),
    Question("... and Dana, whose user has a path?", DANA, CONSOLE, "iam:EnableMFADevice", DANAS_ARN),
    Question(
        "Can Bob set the new password that the first sign-in requires?", BOB, CONSOLE, "iam:ChangePassword", BOBS_ARN
    ),
    Question("Can an administrator's stolen key enroll a device for Eve?", ANN, KEY, "iam:EnableMFADevice", EVES_ARN),
    Question("... resynchronize Eve's device?", ANN, KEY, "iam:ResyncMFADevice", EVES_ARN),
    Question("... delete Eve's device?", ANN, KEY, "iam:DeleteVirtualMFADevice", f"{_DEVICE}eve"),
    Question("... deactivate the administrator's own device?", ANN, KEY, "iam:DeactivateMFADevice", ANNS_ARN),
    Question("... list all users?", ANN, KEY, "iam:ListUsers", "*"),
    Question("Can Athena read for Alice, who signed in with MFA?", ALICE, FORWARDED, "s3:GetObject", BUCKET_OBJECT),
    Question(
        "With MFA, can Bob delete the device of the same name?",
        BOB,
        CONSOLE_MFA,
        "iam:DeleteVirtualMFADevice",
        f"{_DEVICE}bob",
    ),
    Question("... create an access key?", BOB, CONSOLE_MFA, "iam:CreateAccessKey", BOBS_ARN),
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A row of the request table, in one deployment, and the decision of each policy, ours first."""

    row: Row
    deployment: Deployment
    decisions: tuple[Decision, ...]

    @property
    def differs(self) -> bool:
        """Return whether the policies decide differently."""
        return len(set(self.decisions)) > 1


def compare() -> dict[str, tuple[Comparison, ...]]:
    """Return the table's rows for PARTITION, by section, each with the first parameters that it is for."""
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
        "# The enforcement policy beside others",
        "",
        "<!-- Written by `make docs` from tests/policy; tests/policy/test_page.py fails while it is not current. -->",
        "",
        "Each answer on this page is computed: an evaluator of IAM's documented logic",
        "([evaluator.py](../cli/mfa_guard_cli/policy/evaluator.py)) evaluates the requests of",
        "[requests.py](../cli/mfa_guard_cli/policy/requests.py) with the policy as",
        "[template.yaml](../template.yaml) renders it in the partition `aws`, and with these policies:",
        "",
    )
    for each in others:
        yield f"- **{each.heading}**: [{each.title}]({each.url}), read from {each.read_from}."
    yield from (
        "",
        "Published policies change; these are the texts as read. No request was made to AWS.",
        "",
        "*Allowed*: one of the caller's policies allows the request, and none denies it. *Denied*: the policy denies",
        "it, whatever other policies allow. *Not granted*: no policy denies or allows it, so AWS refuses it until",
        "another policy allows it. Bob, Dana, Omar and Erin have no other permission. Alice is a developer without",
        "permissions in IAM. Ann and Pat are administrators.",
        "",
    )


def _summary(sections: dict[str, tuple[Comparison, ...]], others: Sequence[Published]) -> Iterator[str]:
    compared = [each for comparisons in sections.values() for each in comparisons]
    yield from (
        "## In numbers",
        "",
        f"{len(compared)} requests. *Looser*: allows what ours refuses. *Stricter*: refuses what ours allows.",
        "",
        "| Policy | Statements | Characters of 6,144 | As ours | Looser | Stricter | Refuses otherwise |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    )
    columns = [("Ours", _document(DEPLOYMENTS[0])), *((each.heading, each.document) for each in others)]
    for index, (heading, document) in enumerate(columns):
        counts = Counter(_kind(each.decisions[0], each.decisions[index]) for each in compared)
        cells = [heading, *map(str, _size(document)), *(str(counts[kind]) for kind in _KINDS)]
        yield f"| {' | '.join(cells)} |"
    yield ""


_KINDS: Final = ("as ours", "looser", "stricter", "refuses otherwise")


def _kind(ours: Decision, other: Decision) -> str:
    if ours is other:
        return "as ours"
    if Decision.ALLOW not in {ours, other}:
        return "refuses otherwise"
    return "looser" if other is Decision.ALLOW else "stricter"


def _size(document: Document) -> tuple[int, int]:
    statements = document["Statement"]
    assert isinstance(statements, list)
    return len(statements), len("".join(json.dumps(document).split()))


def _answers(sections: dict[str, tuple[Comparison, ...]], others: Sequence[Published]) -> Iterator[str]:
    found = {each.row: each for comparisons in sections.values() for each in comparisons}
    yield from ("## In short", "", _line("Question", *_headings(others)), _rule(2 + len(others)))
    for question in QUESTIONS:
        yield _line(question.text, *_words(found[question.row()]))
    yield ""


def _differences(sections: dict[str, tuple[Comparison, ...]], others: Sequence[Published]) -> Iterator[str]:
    yield from (
        "## Request by request",
        "",
        "The requests about which the policies decide differently. Decisions that differ from ours are in bold. If a",
        "parameter of the template is named, ours is the policy with that value. The others have no parameters.",
    )
    for section, comparisons in sections.items():
        differing = [each for each in comparisons if each.differs]
        yield from ("", f"### {section}", "", f"{len(differing)} of {len(comparisons)} requests.")
        if not differing:
            continue
        yield from ("", _line("Who, with what", "Request", *_headings(others), "Ours, because"))
        yield _rule(4 + len(others))
        for each in differing:
            who = f"{each.row.caller.name or 'a role'}, {each.row.credentials.name}"
            yield _line(who, _request(each), *_words(each), _because(each.row))
    yield ""


def _request(comparison: Comparison) -> str:
    request = comparison.row.request(comparison.deployment)
    resource = request.resource.removeprefix(_OWN)
    return f"`{request.action}`" if resource == "*" else f"`{request.action}` on `{resource}`"


def _because(row: Row) -> str:
    switches = {"AllowPasswordChangeWithoutMfa": row.passwords, "AllowEnrollmentWithAccessKeys": row.keys}
    set_to = "".join(f" (`{name}: {value}`)" for name, value in switches.items() if value)
    return row.why + set_to


def _words(comparison: Comparison) -> Iterator[str]:
    ours = comparison.decisions[0]
    for decision in comparison.decisions:
        yield WORDS[decision] if decision is ours else f"**{WORDS[decision]}**"


def _headings(others: Sequence[Published]) -> list[str]:
    return ["Ours", *(each.heading for each in others)]


def _rule(columns: int) -> str:
    return _line(*["---"] * columns)


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    PAGE.write_text(render(), "utf-8")
