"""IAM's documented evaluation logic for identity-based policies, for the operators and keys that this project uses.

An emulated AWS does not evaluate conditions, so a proof about the enforcement policy needs a reading of the
documentation of its own. What is not read here is refused, never guessed: an unknown element, operator, key or
variable raises UnsupportedPolicyError. Resource-based policies, permissions boundaries, session policies and
organizations are out of scope.

Docstrings name the page of the IAM User Guide (https://docs.aws.amazon.com/IAM/latest/UserGuide/PAGE.html) that they
follow.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from types import MappingProxyType
from typing import Final


class Decision(StrEnum):
    """What the policies say to a request (page reference_policies_evaluation-logic)."""

    ALLOW = "Allow"
    DENY = "Deny"
    IMPLICIT_DENY = "ImplicitDeny"


class UnsupportedPolicyError(ValueError):
    """A policy or a request holds something that this evaluator does not read."""


class KeyType(Enum):
    """The kind of values a condition key holds (page reference_policies_condition-keys)."""

    STRING = "String"
    BOOL = "Bool"
    ARN = "ARN"
    STRINGS = "ArrayOfString"


# The keys from aws:sourcearn on are there for AWS's own examples, which the evaluator is checked against.
KEY_TYPES: Final[Mapping[str, KeyType]] = MappingProxyType(
    {
        "aws:multifactorauthpresent": KeyType.BOOL,
        "aws:tagkeys": KeyType.STRINGS,
        "aws:username": KeyType.STRING,
        "aws:viaawsservice": KeyType.BOOL,
        "events:detail-type": KeyType.STRING,
        "events:source": KeyType.STRINGS,
        "iam:policyarn": KeyType.ARN,
        "aws:sourcearn": KeyType.ARN,
        "dynamodb:attributes": KeyType.STRINGS,
        "ec2:instancetype": KeyType.STRING,
        "s3:prefix": KeyType.STRING,
    },
)

EFFECTS: Final[Mapping[object, Decision]] = MappingProxyType({"Allow": Decision.ALLOW, "Deny": Decision.DENY})
# Whether `${...}` is a variable; it is literal text under the older version (page reference_policies_elements_version).
VERSIONS: Final[Mapping[object, bool]] = MappingProxyType({"2012-10-17": True, "2008-10-17": False})
POLICY_ELEMENTS: Final = frozenset({"Version", "Id", "Statement"})
STATEMENT_ELEMENTS: Final = frozenset({"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"})
EVERYTHING: Final = "*"

_ARN_PARTS: Final = 6
_ACTION: Final = re.compile(r"[\w-]+:[\w*?]+", re.ASCII)
_VARIABLE: Final = re.compile(r"\$\{([^}]*)\}")
_OPERATOR: Final = re.compile(r"(?:(ForAllValues|ForAnyValue):)?([A-Za-z]+?)(IfExists)?")
_NOTHING: Final = "(?!)"

Document = Mapping[str, object]
Values = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Request:
    """One API request as IAM sees it.

    Attributes:
        action: the service's prefix and the action, like `iam:GetUser`.
        resource: the ARN that the action works on; `*` for an action that takes no resource.
        context: condition keys and their values; a key that the request does not carry is left out.
    """

    action: str
    resource: str
    context: Mapping[str, str | Sequence[str]] = field(default_factory=dict)

    def values(self) -> Values:
        """Return the context by lower-case key, since key names are not case-sensitive.

        A multivalued key without values counts as absent. Follows reference_policies_elements_condition and
        reference_policies_condition-single-vs-multi-valued-context-keys.

        Raises:
            UnsupportedPolicyError: a key is unknown, or holds one text where a list belongs, or the reverse.
        """
        values: dict[str, tuple[str, ...]] = {}
        for key, value in self.context.items():
            if isinstance(value, str) is (_key_type(key) is KeyType.STRINGS):
                raise UnsupportedPolicyError(f"{key} cannot hold {value!r}; give a value of the key's type.")
            values[key.lower()] = (value,) if isinstance(value, str) else tuple(value)
        return {key: found for key, found in values.items() if found}


@dataclass(frozen=True, slots=True)
class Pattern:
    """A text of a policy: regular expressions and, at every odd place between them, the key of a policy variable."""

    parts: tuple[str, ...]

    def matches(self, text: str, values: Values) -> bool:
        """Say whether a text of the request is like this one, with the values that the request gives the variables.

        A value stands for itself, with no wildcards in it. With a variable that has no value, nothing is "equal or
        like", in Resource as in NotResource (page reference_policies_variables, "Policy variables with no value").
        """
        expression = ""
        for index, part in enumerate(self.parts):
            if index % 2 == 0:
                expression += part
            elif part in values:
                expression += re.escape(values[part][0])
            else:
                return False
        return re.fullmatch(expression, text, re.DOTALL) is not None


@dataclass(frozen=True, slots=True)
class Condition:
    """One key of one operator of a Condition element.

    Attributes:
        operator: without its prefix and suffix, like `StringEquals`.
        quantifier: `ForAllValues`, `ForAnyValue`, or empty.
        if_exists: whether the operator ends in `IfExists`.
        key: in lower case.
        wanted: the values in the policy, any of which will do.
    """

    operator: str
    quantifier: str
    if_exists: bool
    key: str
    wanted: tuple[Pattern, ...]

    def is_met(self, values: Values) -> bool:
        """Say whether the condition is true for a request.

        An absent key makes it false, except for `...IfExists` and `ForAllValues`, which it makes true, and for `Null`,
        which asks for nothing else. Follows reference_policies_elements_condition_operators ("If the key that you
        specify in a policy condition is not present", "...IfExists", "Null") and
        reference_policies_condition-single-vs-multi-valued-context-keys.
        """
        found = values.get(self.key, ())
        if self.operator == "Null":
            found = ("false" if found else "true",)
        if not found:
            return self.if_exists or self.quantifier == "ForAllValues"
        matches = (any(wanted.matches(value, values) for wanted in self.wanted) for value in found)
        return all(matches) if self.quantifier == "ForAllValues" else any(matches)


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a policy; the flags say whether it lists what it is about, or what it is not about."""

    effect: Decision
    actions: re.Pattern[str]
    all_other_actions: bool
    resources: tuple[Pattern, ...]
    all_other_resources: bool
    conditions: tuple[Condition, ...]

    def applies(self, request: Request, values: Values) -> bool:
        """Say whether the statement's effect is in force for a request.

        Conditions are ANDed (page reference_policies_condition-logic-multiple-context-keys-or-values). NotAction and
        NotResource match everything but what they list (pages reference_policies_elements_notaction and
        reference_policies_elements_notresource).
        """
        if (self.actions.fullmatch(request.action) is not None) is self.all_other_actions:
            return False
        if not all(condition.is_met(values) for condition in self.conditions):
            return False
        listed = any(pattern.matches(request.resource, values) for pattern in self.resources)
        return listed is not self.all_other_resources


@dataclass(frozen=True, slots=True)
class Policy:
    """An identity-based policy, parsed."""

    statements: tuple[Statement, ...]


def evaluate(policies: Iterable[Policy], request: Request) -> Decision:
    """Decide a request from the identity-based policies of whoever makes it.

    "An explicit deny in any policy overrides any allows"; without an allow the request is denied implicitly (page
    reference_policies_evaluation-logic). A caller within one account is assumed, root excepted.

    Raises:
        UnsupportedPolicyError: the request holds something that this evaluator does not read.
    """
    if request.resource != EVERYTHING:
        _arn_parts(request.resource)
    values = request.values()
    effects = {
        statement.effect for policy in policies for statement in policy.statements if statement.applies(request, values)
    }
    if Decision.DENY in effects:
        return Decision.DENY
    return Decision.ALLOW if effects else Decision.IMPLICIT_DENY


def parse_policy(document: Document) -> Policy:
    """Read a policy document (page reference_policies_grammar).

    Raises:
        UnsupportedPolicyError: the document is not valid, or says something that this evaluator does not read.
    """
    _refuse_unknown(document, POLICY_ELEMENTS)
    variables = VERSIONS.get(document.get("Version", "2008-10-17"))
    if variables is None:
        raise UnsupportedPolicyError(f"Version {document['Version']!r} is unknown; use 2012-10-17.")
    listed = document.get("Statement")
    statements = listed if isinstance(listed, list) else [listed]
    return Policy(tuple(_parse_statement(_mapping(statement), variables=variables) for statement in statements))


def _parse_statement(statement: Mapping[str, object], *, variables: bool) -> Statement:
    _refuse_unknown(statement, STATEMENT_ELEMENTS)
    effect = EFFECTS.get(statement.get("Effect"))
    if effect is None:
        raise UnsupportedPolicyError(f"Effect {statement.get('Effect')!r} is unknown; use Allow or Deny.")
    actions, all_other_actions = _either(statement, "Action", "NotAction")
    resources, all_other_resources = _either(statement, "Resource", "NotResource")
    return Statement(
        effect=effect,
        actions=_action_expression(actions),
        all_other_actions=all_other_actions,
        resources=tuple(_resource(resource, variables) for resource in resources),
        all_other_resources=all_other_resources,
        conditions=tuple(
            _parse_condition(operator, key, _texts(wanted), variables=variables)
            for operator, keys in _mapping(statement.get("Condition", {})).items()
            for key, wanted in _mapping(keys).items()
        ),
    )


def _parse_condition(written: str, key: str, wanted: tuple[str, ...], *, variables: bool) -> Condition:
    match = _OPERATOR.fullmatch(written)
    quantifier, name, suffix = match.groups() if match else (None, written, None)
    operator = OPERATORS.get(name)
    if operator is None or (name == "Null" and (quantifier or suffix)):
        raise UnsupportedPolicyError(f"The condition operator {written} is not read here.")
    if _key_type(key) not in operator.key_types:
        raise UnsupportedPolicyError(f"{written} does not work with {key}.")
    if name != "Null" and (_key_type(key) is KeyType.STRINGS) is not bool(quantifier):
        raise UnsupportedPolicyError(
            f"{written} on {key}: ForAllValues and ForAnyValue are for multivalued keys alone."
        )
    if operator.booleans and not set(wanted) <= {"true", "false"}:
        raise UnsupportedPolicyError(f"{written} compares with true or false, not with {wanted!r}.")
    patterns = tuple(operator.pattern(value, variables) for value in wanted)
    return Condition(name, quantifier or "", suffix is not None, key.lower(), patterns)


def _refuse_unknown(elements: Mapping[str, object], known: frozenset[str]) -> None:
    unknown = sorted(elements.keys() - known)
    if unknown:
        raise UnsupportedPolicyError(f"The elements {unknown} are not read here.")


def _either(statement: Mapping[str, object], element: str, negated: str) -> tuple[tuple[str, ...], bool]:
    """Return what is listed, and whether it is in the negated element; a statement has exactly one of the two."""
    present = [name for name in (element, negated) if name in statement]
    if len(present) != 1:
        raise UnsupportedPolicyError(f"A statement has either {element} or {negated}; this one has {present}.")
    return _texts(statement[present[0]]), present == [negated]


def _texts(value: object) -> tuple[str, ...]:
    """Return one text or a list of them as a tuple; JSON's booleans are accepted as text."""
    listed = value if isinstance(value, list) else [value]
    texts = tuple(str(item).lower() if isinstance(item, bool) else item for item in listed)
    if not texts or not all(isinstance(text, str) for text in texts):
        raise UnsupportedPolicyError(f"{value!r} is neither a text nor a list of texts.")
    return tuple(map(str, texts))


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise UnsupportedPolicyError(f"{value!r} is no JSON object.")
    return value


def _key_type(key: str) -> KeyType:
    key_type = KEY_TYPES.get(key.lower())
    if key_type is None:
        raise UnsupportedPolicyError(f"The condition key {key} is not read here.")
    return key_type


def _arn_parts(arn: str) -> list[str]:
    parts = arn.split(":", _ARN_PARTS - 1)
    if len(parts) != _ARN_PARTS or parts[0] != "arn":
        raise UnsupportedPolicyError(f"{arn!r} is no ARN; an ARN has six parts and begins with arn.")
    return parts


def _action_expression(actions: Sequence[str]) -> re.Pattern[str]:
    """Return what matches any of the actions: case-insensitive, with wildcards (reference_policies_elements_action)."""
    for action in actions:
        if action != EVERYTHING and not _ACTION.fullmatch(action):
            raise UnsupportedPolicyError(f"{action!r} is no action; write service:Name.")
    return re.compile("|".join(map(_wildcards, actions)), re.IGNORECASE)


def _resource(text: str, variables: bool) -> Pattern:
    """Return the pattern of a resource: case-sensitive, with wildcards, and variables after the fifth colon.

    A wildcard stays within its part of the ARN, but for a `*` at the end of a part, which "can expand to match beyond
    the colon boundaries". Follows reference_policies_elements_resource and reference_policies_variables.
    """
    return _like(text, variables) if text == EVERYTHING else _arn(text, variables, last_star=".*")


def _arn_like(text: str, variables: bool) -> Pattern:
    """Return the pattern of an ARN in a condition: each of its six parts is compared by itself."""
    return _arn(text, variables, last_star="[^:]*")


def _arn(text: str, variables: bool, *, last_star: str) -> Pattern:
    *head, tail = _arn_parts(text)
    if variables and any("${" in part for part in head):
        raise UnsupportedPolicyError(f"{text!r} has a variable before the fifth colon.")
    expressions = [
        _wildcards(part.removesuffix("*"), star="[^:]*", mark="[^:]") + (last_star if part.endswith("*") else "")
        for part in head
    ]
    first, *rest = _like(tail, variables).parts
    return Pattern((":".join([*expressions, first]), *rest))


def _like(text: str, variables: bool) -> Pattern:
    return _pattern(text, variables, _wildcards)


def _equal(text: str, variables: bool) -> Pattern:
    return _pattern(text, variables, re.escape)


def _pattern(text: str, variables: bool, expression: Callable[[str], str]) -> Pattern:
    """Return the pattern of a text, refusing variables with many values, with defaults, and escapes like `${*}`."""
    parts = _VARIABLE.split(text) if variables else [text]
    if any(_key_type(key) is KeyType.STRINGS for key in parts[1::2]):
        raise UnsupportedPolicyError(f"{text!r} has a variable with many values.")
    return Pattern(tuple(part.lower() if index % 2 else expression(part) for index, part in enumerate(parts)))


def _wildcards(text: str, star: str = ".*", mark: str = ".") -> str:
    return re.escape(text).replace(r"\*", star).replace(r"\?", mark)


@dataclass(frozen=True, slots=True)
class Operator:
    """A condition operator: what becomes of a value in the policy, and the keys it works with."""

    pattern: Callable[[str, bool], Pattern]
    key_types: frozenset[KeyType]
    booleans: bool = False


_TEXTS: Final = frozenset({KeyType.STRING, KeyType.STRINGS, KeyType.ARN})

# Page reference_policies_elements_condition_operators. ArnEquals and ArnLike behave identically.
OPERATORS: Final[Mapping[str, Operator]] = MappingProxyType(
    {
        "ArnEquals": Operator(_arn_like, frozenset({KeyType.ARN})),
        "ArnLike": Operator(_arn_like, frozenset({KeyType.ARN})),
        "Bool": Operator(_equal, frozenset({KeyType.BOOL}), booleans=True),
        "Null": Operator(_equal, frozenset(KeyType), booleans=True),
        "StringEquals": Operator(_equal, _TEXTS),
        "StringLike": Operator(_like, _TEXTS),
    },
)
