"""Evaluate identity-based policies by IAM's documented logic, for the operators and keys that this project uses.

Emulators of AWS do not evaluate conditions, so tests of the enforcement policy need an evaluator that follows the
documentation. It guesses nothing: an unknown element, operator, key or variable raises UnsupportedPolicyError.
Resource-based policies, permissions boundaries, session policies and organizations are out of scope.

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
    """The decision of the policies about a request (page reference_policies_evaluation-logic)."""

    ALLOW = "Allow"
    DENY = "Deny"
    IMPLICIT_DENY = "ImplicitDeny"


class UnsupportedPolicyError(ValueError):
    """A policy or a request has something that this evaluator does not support."""


class Version(StrEnum):
    """The version of the policy language (page reference_policies_elements_version)."""

    V2008 = "2008-10-17"
    V2012 = "2012-10-17"

    @property
    def has_variables(self) -> bool:
        """Return whether `${...}` is a variable. In the older version it is literal text."""
        return self is Version.V2012


class KeyType(Enum):
    """The type of a condition key, named as in AWS's service authorization data.

    That data also has types such as Date, Numeric and IPAddress. No policy of this project uses a key of those.
    """

    STRING = "String"
    BOOL = "Bool"
    ARN = "ARN"
    ARRAY_OF_STRING = "ArrayOfString"

    @property
    def is_multivalued(self) -> bool:
        """Return whether a request can have several values. Only such keys take ForAllValues and ForAnyValue."""
        return self is KeyType.ARRAY_OF_STRING


# The keys that the project's policies use, and at the end those in AWS's own examples, which test the evaluator.
# events:source and events:detail-type have the values of all entries of one PutEvents request.
KEY_TYPES: Final[Mapping[str, KeyType]] = MappingProxyType(
    {
        "aws:multifactorauthpresent": KeyType.BOOL,
        "aws:principalarn": KeyType.ARN,
        "aws:securetransport": KeyType.BOOL,
        "aws:sourceaccount": KeyType.STRING,
        "aws:sourcearn": KeyType.ARN,
        "aws:tagkeys": KeyType.ARRAY_OF_STRING,
        "aws:username": KeyType.STRING,
        "aws:viaawsmcpservice": KeyType.BOOL,
        "aws:viaawsservice": KeyType.BOOL,
        "dynamodb:leadingkeys": KeyType.ARRAY_OF_STRING,
        "events:detail-type": KeyType.ARRAY_OF_STRING,
        "events:source": KeyType.ARRAY_OF_STRING,
        "iam:policyarn": KeyType.ARN,
        "lambda:sourcefunctionarn": KeyType.ARN,
        "dynamodb:attributes": KeyType.ARRAY_OF_STRING,
        "ec2:instancetype": KeyType.STRING,
        "s3:prefix": KeyType.STRING,
    },
)

EFFECTS: Final[Mapping[object, Decision]] = MappingProxyType({"Allow": Decision.ALLOW, "Deny": Decision.DENY})
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
        action: the service's prefix and the action, such as `iam:GetUser`.
        resource: the ARN of the action's resource; `*` for an action without resources.
        context: condition keys and their values, without the keys that the request does not have.
    """

    action: str
    resource: str
    context: Mapping[str, str | Sequence[str]] = field(default_factory=dict)

    def values(self) -> Values:
        """Return the context by lower-case key, since the names of keys are not case-sensitive.

        A multivalued key without values counts as absent. Follows reference_policies_elements_condition and
        reference_policies_condition-single-vs-multi-valued-context-keys.

        Raises:
            UnsupportedPolicyError: a key is unknown, or has one string instead of a list, or the reverse.
        """
        values: dict[str, tuple[str, ...]] = {}
        for key, value in self.context.items():
            if isinstance(value, str) is _key_type(key).is_multivalued:
                raise UnsupportedPolicyError(f"{key} cannot have the value {value!r}; give a value of the key's type.")
            values[key.lower()] = (value,) if isinstance(value, str) else tuple(value)
        return {key: found for key, found in values.items() if found}


@dataclass(frozen=True, slots=True)
class Pattern:
    """A string of a policy: regular expressions, and at every odd index the key of a policy variable."""

    parts: tuple[str, ...]

    def matches(self, text: str, values: Values) -> bool:
        """Return whether a string of the request matches, given the values of the request.

        A variable's value is literal text without wildcards. If a variable has no value, nothing is "equal or like", in
        Resource and in NotResource (page reference_policies_variables, "Policy variables with no value").
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
        operator: without its prefix and suffix, such as `StringEquals`.
        quantifier: `ForAllValues`, `ForAnyValue`, or empty.
        if_exists: whether the operator ends in `IfExists`.
        key: in lower case.
        wanted: the values in the policy, of which one must match; none of them if `negated`.
        negated: whether the operator is one such as `StringNotEquals`.
    """

    operator: str
    quantifier: str
    if_exists: bool
    key: str
    wanted: tuple[Pattern, ...]
    negated: bool

    def is_met(self, values: Values) -> bool:
        """Return whether the condition is true for a request.

        An absent key makes it false. Exceptions are `...IfExists`, `ForAllValues`, and a negated operator without
        `ForAnyValue`, which it makes true, and `Null`, which tests for absence. Follows
        reference_policies_elements_condition_operators ("If the key that you specify in a policy condition is not
        present", "...IfExists", "Null") and reference_policies_condition-single-vs-multi-valued-context-keys.
        """
        found = values.get(self.key, ())
        if self.operator == "Null":
            found = ("false" if found else "true",)
        if not found:
            return self.if_exists or self.quantifier == "ForAllValues" or (self.negated and not self.quantifier)
        matches = (any(wanted.matches(value, values) for wanted in self.wanted) is not self.negated for value in found)
        return all(matches) if self.quantifier == "ForAllValues" else any(matches)


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a policy.

    Attributes:
        actions: the actions in Action, or in NotAction if `all_other_actions` is true.
        resources: the resources in Resource, or in NotResource if `all_other_resources` is true.
    """

    effect: Decision
    actions: re.Pattern[str]
    all_other_actions: bool
    resources: tuple[Pattern, ...]
    all_other_resources: bool
    conditions: tuple[Condition, ...]

    def applies(self, request: Request, values: Values) -> bool:
        """Return whether the statement applies to a request.

        Conditions are ANDed (page reference_policies_condition-logic-multiple-context-keys-or-values). NotAction and
        NotResource match everything except what they list (pages reference_policies_elements_notaction and
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
    """Return the decision of a caller's identity-based policies about a request.

    "An explicit deny in any policy overrides any allows". Without an allow, the request is denied implicitly (page
    reference_policies_evaluation-logic). The caller is in the account of the resource, and is not the root user.

    Raises:
        UnsupportedPolicyError: the request has something that this evaluator does not support.
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
    """Return the policy of a document (page reference_policies_grammar).

    Raises:
        UnsupportedPolicyError: the document is not valid, or has something that this evaluator does not support.
    """
    _refuse_unknown(document, POLICY_ELEMENTS)
    written = document.get("Version", Version.V2008)
    if written not in tuple(Version):
        raise UnsupportedPolicyError(f"Version {written!r} is unknown; use 2012-10-17.")
    version = Version(str(written))
    listed = document.get("Statement")
    statements = listed if isinstance(listed, list) else [listed]
    return Policy(tuple(_parse_statement(_mapping(statement), version) for statement in statements))


def _parse_statement(statement: Mapping[str, object], version: Version) -> Statement:
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
        resources=tuple(_resource(resource, version) for resource in resources),
        all_other_resources=all_other_resources,
        conditions=tuple(
            _parse_condition(operator, key, _texts(wanted), version)
            for operator, keys in _mapping(statement.get("Condition", {})).items()
            for key, wanted in _mapping(keys).items()
        ),
    )


def _parse_condition(written: str, key: str, wanted: tuple[str, ...], version: Version) -> Condition:
    match = _OPERATOR.fullmatch(written)
    quantifier, name, suffix = match.groups() if match else (None, written, None)
    operator = OPERATORS.get(name)
    if operator is None or (name == "Null" and (quantifier or suffix)):
        raise UnsupportedPolicyError(f"The condition operator {written} is not supported.")
    if _key_type(key) not in operator.key_types:
        raise UnsupportedPolicyError(f"{written} does not work with {key}.")
    if name != "Null" and _key_type(key).is_multivalued is not bool(quantifier):
        raise UnsupportedPolicyError(
            f"{written} on {key}: multivalued keys, and only they, need ForAllValues or ForAnyValue."
        )
    if operator.booleans and not set(wanted) <= {"true", "false"}:
        raise UnsupportedPolicyError(f"{written} compares with true or false, not with {wanted!r}.")
    patterns = tuple(operator.pattern(value, version) for value in wanted)
    return Condition(name, quantifier or "", suffix is not None, key.lower(), patterns, operator.negated)


def _refuse_unknown(elements: Mapping[str, object], known: frozenset[str]) -> None:
    unknown = sorted(elements.keys() - known)
    if unknown:
        raise UnsupportedPolicyError(f"The elements {unknown} are not supported.")


def _either(statement: Mapping[str, object], element: str, negated: str) -> tuple[tuple[str, ...], bool]:
    """Return the list, and whether it is in the negated element. A statement has exactly one of the two elements."""
    present = [name for name in (element, negated) if name in statement]
    if len(present) != 1:
        raise UnsupportedPolicyError(f"A statement must have either {element} or {negated}; this one has {present}.")
    return _texts(statement[present[0]]), present == [negated]


def _texts(value: object) -> tuple[str, ...]:
    """Return one string, or a list of them, as a tuple. Booleans of JSON count as strings."""
    listed = value if isinstance(value, list) else [value]
    texts = tuple(str(item).lower() if isinstance(item, bool) else item for item in listed)
    if not texts or not all(isinstance(text, str) for text in texts):
        raise UnsupportedPolicyError(f"{value!r} is neither a string nor a list of strings.")
    return tuple(map(str, texts))


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise UnsupportedPolicyError(f"{value!r} is not a JSON object.")
    return value


def _key_type(key: str) -> KeyType:
    key_type = KEY_TYPES.get(key.lower())
    if key_type is None:
        raise UnsupportedPolicyError(f"The condition key {key} is not supported.")
    return key_type


def _arn_parts(arn: str) -> list[str]:
    parts = arn.split(":", _ARN_PARTS - 1)
    if len(parts) != _ARN_PARTS or parts[0] != "arn":
        raise UnsupportedPolicyError(f"{arn!r} is not an ARN, which has six parts and begins with arn.")
    return parts


def _action_expression(actions: Sequence[str]) -> re.Pattern[str]:
    """Return an expression for any of the actions, case-insensitive (page reference_policies_elements_action)."""
    for action in actions:
        if action != EVERYTHING and not _ACTION.fullmatch(action):
            raise UnsupportedPolicyError(f"{action!r} is not an action; write service:Name.")
    return re.compile("|".join(map(_wildcards, actions)), re.IGNORECASE)


def _resource(text: str, version: Version) -> Pattern:
    """Return the pattern of a resource. It is case-sensitive, with wildcards, and variables after the fifth colon.

    A wildcard stays within its part of the ARN, except a `*` at the end of a part, which "can expand to match beyond
    the colon boundaries". Follows reference_policies_elements_resource and reference_policies_variables.
    """
    return _like(text, version) if text == EVERYTHING else _arn(text, version, last_star=".*")


def _arn_like(text: str, version: Version) -> Pattern:
    """Return the pattern of an ARN in a condition. Each of its six parts is compared separately."""
    return _arn(text, version, last_star="[^:]*")


def _arn(text: str, version: Version, *, last_star: str) -> Pattern:
    *head, tail = _arn_parts(text)
    if version.has_variables and any("${" in part for part in head):
        raise UnsupportedPolicyError(f"{text!r} has a variable before the fifth colon.")
    expressions = [
        _wildcards(part.removesuffix("*"), star="[^:]*", mark="[^:]") + (last_star if part.endswith("*") else "")
        for part in head
    ]
    first, *rest = _like(tail, version).parts
    return Pattern((":".join([*expressions, first]), *rest))


def _like(text: str, version: Version) -> Pattern:
    return _pattern(text, version, _wildcards)


def _equal(text: str, version: Version) -> Pattern:
    return _pattern(text, version, re.escape)


def _pattern(text: str, version: Version, expression: Callable[[str], str]) -> Pattern:
    """Return the pattern of a string. Variables with many values or defaults, and escapes such as `${*}`, raise."""
    parts = _VARIABLE.split(text) if version.has_variables else [text]
    if any(_key_type(key).is_multivalued for key in parts[1::2]):
        raise UnsupportedPolicyError(f"{text!r} has a variable with many values.")
    return Pattern(tuple(part.lower() if index % 2 else expression(part) for index, part in enumerate(parts)))


def _wildcards(text: str, star: str = ".*", mark: str = ".") -> str:
    return re.escape(text).replace(r"\*", star).replace(r"\?", mark)


@dataclass(frozen=True, slots=True)
class Operator:
    """A condition operator: how it reads a value in the policy, and the types of keys that it supports."""

    pattern: Callable[[str, Version], Pattern]
    key_types: frozenset[KeyType]
    booleans: bool = False
    negated: bool = False


_TEXTS: Final = frozenset({KeyType.STRING, KeyType.ARRAY_OF_STRING, KeyType.ARN})
_ARNS: Final = frozenset({KeyType.ARN})

# Page reference_policies_elements_condition_operators. ArnEquals and ArnLike behave identically.
OPERATORS: Final[Mapping[str, Operator]] = MappingProxyType(
    {
        "ArnEquals": Operator(_arn_like, _ARNS),
        "ArnLike": Operator(_arn_like, _ARNS),
        "ArnNotEquals": Operator(_arn_like, _ARNS, negated=True),
        "ArnNotLike": Operator(_arn_like, _ARNS, negated=True),
        "Bool": Operator(_equal, frozenset({KeyType.BOOL}), booleans=True),
        "Null": Operator(_equal, frozenset(KeyType), booleans=True),
        "StringEquals": Operator(_equal, _TEXTS),
        "StringLike": Operator(_like, _TEXTS),
        "StringNotEquals": Operator(_equal, _TEXTS, negated=True),
        "StringNotLike": Operator(_like, _TEXTS, negated=True),
    },
)
