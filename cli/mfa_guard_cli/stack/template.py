"""Read the stack's template, and render it as CloudFormation would for one account.

It is the only source of rules, policies, roles and environment variables; nothing keeps a second copy of them.
"""

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import TYPE_CHECKING, Final, TypeAlias, TypeGuard

import yaml

from mfa_guard.core.partitions import COMMERCIAL, partition_of
from mfa_guard_cli.stack.intrinsics import Resolver, as_text
from mfa_guard_cli.stack.intrinsics import TemplateError as TemplateError  # noqa: PLC0414 - part of this module's interface

Fields: TypeAlias = Mapping[str, object]

SAMPLE_ACCOUNT: Final = "111122223333"
_NONE_GIVEN: Final[Mapping[str, str]] = MappingProxyType({})
_ACCOUNT_ID: Final = re.compile(r"[0-9]{12}")


def is_account_id(value: object) -> TypeGuard[str]:
    """Return whether a value is a string of twelve digits."""
    return isinstance(value, str) and _ACCOUNT_ID.fullmatch(value) is not None


@dataclass(frozen=True)
class Rule:
    """An EventBridge rule. `functions` are the logical IDs of the functions that it invokes."""

    logical_id: str
    name: str
    pattern: Fields
    functions: tuple[str, ...]
    enabled: bool


@dataclass(frozen=True)
class Resource:
    """One resource of a rendered stack, with resolved properties."""

    logical_id: str
    type: str
    physical_id: str
    properties: Fields
    depends_on: tuple[str, ...]
    deletion_policy: str


@dataclass(frozen=True, eq=False)
class Template:
    """The template, with its SAM resources translated to CloudFormation resources."""

    body: Fields
    _sections: dict[str, Mapping[str, Fields]] = field(default_factory=dict, init=False, repr=False)

    def render(
        self,
        *,
        account: str = SAMPLE_ACCOUNT,
        region: str = COMMERCIAL.home_region,
        stack_name: str = "mfa-guard",
        parameters: Mapping[str, str] = _NONE_GIVEN,
    ) -> "Stack":
        """Return the stack that CloudFormation would create. Its parts are resolved when they are read.

        Raises TemplateError if a parameter is unknown, missing or not allowed, or if one of the template's Rules fails.
        """
        if not is_account_id(account):
            raise TemplateError(f"{account[:40]!a} is not an account ID, which has twelve digits.")
        declared = self.section("Parameters")
        if unknown := sorted(parameters.keys() - declared.keys()):
            raise TemplateError(f"The template has no parameter {', '.join(unknown)}.")
        values = {name: _parameter(name, declared[name], parameters.get(name)) for name in declared}
        stack = Stack(self, account, region, stack_name, values)
        stack.check()
        return stack

    def section(self, name: str) -> Mapping[str, Fields]:
        """Return one of the template's top-level sections, or an empty one if the template has none."""
        if name not in self._sections:
            section = self.body.get(name, {})
            if not isinstance(section, dict) or not all(isinstance(each, dict) for each in section.values()):
                raise TemplateError(f"The template's {name} must be an object of objects.")
            self._sections[name] = section
        return self._sections[name]


@dataclass(frozen=True, eq=False)
class Stack:
    """The template rendered for one account, region and set of parameters.

    Every method raises TemplateError for what the template lacks or what cannot be resolved.
    """

    template: Template
    account: str
    region: str
    name: str
    parameters: Mapping[str, object]

    @property
    def partition(self) -> str:
        """Return the name of the region's partition."""
        return partition_of(self.region).name

    @cached_property
    def resources(self) -> Mapping[str, Resource]:
        """Return the resources whose conditions are true, by logical ID, in the template's order."""
        return {logical_id: self.resource(logical_id) for logical_id in self._logical_ids()}

    def resource(self, logical_id: str) -> Resource:
        """Return one resource, without resolving the others."""
        if not self._resolver.exists(logical_id):
            raise TemplateError(f"The stack has no resource {logical_id}.")
        raw = self.template.section("Resources")[logical_id]
        depends_on = raw.get("DependsOn", ())
        return Resource(
            logical_id=logical_id,
            type=str(raw.get("Type")),
            physical_id=self.physical_id(logical_id),
            properties=_fields(self.resolve(raw.get("Properties", {}))),
            depends_on=(depends_on,) if isinstance(depends_on, str) else tuple(map(str, _list(depends_on))),
            deletion_policy=str(raw.get("DeletionPolicy", "Delete")),
        )

    def physical_id(self, logical_id: str) -> str:
        """Return the name that the resource has in its service."""
        return self._resolver.physical_id(logical_id)

    def reference(self, logical_id: str) -> str:
        """Return the id that CloudFormation shows for the resource: what Ref returns, where the type has a Ref here."""
        try:
            return as_text(self.resolve({"Ref": logical_id}))
        except TemplateError:
            return self.physical_id(logical_id)

    def resolve(self, value: object) -> object:
        """Return a piece of the template with its intrinsic functions resolved."""
        return self._resolver.resolve(value)

    def check(self) -> None:
        """Raise TemplateError with the template's own description if one of its Rules fails."""
        for name, rule in self.template.section("Rules").items():
            if "RuleCondition" in rule and not self._resolver.is_true(rule["RuleCondition"]):
                continue
            for assertion in map(_fields, _list(rule.get("Assertions"))):
                if not self._resolver.is_true(assertion.get("Assert")):
                    raise TemplateError(str(assertion.get("AssertDescription", f"The template's rule {name} fails.")))

    def rules(self) -> tuple[Rule, ...]:
        """Return the EventBridge rules that match events, in the template's order."""
        raw = self.template.section("Resources")
        logical_ids = self._logical_ids("AWS::Events::Rule")
        return tuple(self.rule(each) for each in logical_ids if "EventPattern" in _fields(raw[each]["Properties"]))

    def rule(self, logical_id: str) -> Rule:
        """Return one EventBridge rule, without resolving the others."""
        rule = self.resource(logical_id)
        targets = [_fields(target)["Arn"] for target in _list(rule.properties.get("Targets", []))]
        return Rule(
            logical_id=logical_id,
            name=rule.physical_id,
            pattern=_fields(rule.properties["EventPattern"]),
            functions=tuple(self._functions[arn] for arn in targets if arn in self._functions),
            enabled=rule.properties.get("State", "ENABLED") != "DISABLED",
        )

    def environment(self, function: str) -> Mapping[str, str]:
        """Return the environment variables that the template gives a function."""
        environment = _fields(self.resource(function).properties.get("Environment", {}))
        return {name: as_text(value) for name, value in _fields(environment.get("Variables", {})).items()}

    def policy_document(self, logical_id: str) -> Fields:
        """Return the PolicyDocument of a policy: a managed one, a topic's, a queue's."""
        return _fields(self.resource(logical_id).properties.get("PolicyDocument"))

    def role_statements(self, role: str) -> tuple[Fields, ...]:
        """Return the statements of all the stack's policies for a role, inline and managed.

        Raises TemplateError if the role also has a policy that is not in the template.
        """
        properties = self.resource(role).properties
        documents = [_fields(inline)["PolicyDocument"] for inline in _list(properties.get("Policies", []))]
        arns = _list(properties.get("ManagedPolicyArns", []))
        for policy in map(self.resource, self._logical_ids("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy")):
            attached = self.physical_id(role) in _list(policy.properties.get("Roles", []))
            own = policy.type == "AWS::IAM::ManagedPolicy" and self.resolve({"Ref": policy.logical_id}) in arns
            if own:
                arns = [arn for arn in arns if arn != self.resolve({"Ref": policy.logical_id})]
            if attached or own:
                documents.append(policy.properties["PolicyDocument"])
        if arns:
            raise TemplateError(f"{role} has policies that are not in the template: {', '.join(map(str, arns))}.")
        return tuple(statement for document in documents for statement in _statements(_fields(document)))

    def outputs(self) -> Mapping[str, str]:
        """Return the outputs whose conditions are true."""
        return {
            name: as_text(self.resolve(output.get("Value")))
            for name, output in self.template.section("Outputs").items()
            if "Condition" not in output or self._resolver.is_true(output["Condition"])
        }

    def _logical_ids(self, *types: str) -> Iterator[str]:
        for logical_id, raw in self.template.section("Resources").items():
            if (not types or raw.get("Type") in types) and self._resolver.exists(logical_id):
                yield logical_id

    @cached_property
    def _functions(self) -> Mapping[object, str]:
        """The logical IDs of the functions, by ARN."""
        logical_ids = self._logical_ids("AWS::Lambda::Function")
        return {self.resolve({"Fn::GetAtt": [each, "Arn"]}): each for each in logical_ids}

    @cached_property
    def _resolver(self) -> Resolver:
        partition = partition_of(self.region)
        stack_id = f"arn:{partition.name}:cloudformation:{self.region}:{self.account}:stack/{self.name}/local"
        return Resolver(
            resources=self.template.section("Resources"),
            conditions=self.template.section("Conditions"),
            mappings=self.template.section("Mappings"),
            parameters=self.parameters,
            pseudo={
                "AWS::AccountId": self.account,
                "AWS::NotificationARNs": [],
                "AWS::Partition": partition.name,
                "AWS::Region": self.region,
                "AWS::StackId": stack_id,
                "AWS::StackName": self.name,
                "AWS::URLSuffix": partition.dns_suffix,
            },
        )


def load_template(path: Path | None = None) -> Template:
    """Return the template of the checkout, or outside a checkout the copy that the program ships.

    Raises TemplateError if the file cannot be read or SAM refuses it.
    """
    path = path or _default_path()
    try:
        document = yaml.load(path.read_text("utf-8"), Loader=_Loader)  # nosec B506 # noqa: S506 - a SafeLoader
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise TemplateError(f"The template {path} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict) or not isinstance(document.get("Resources"), dict):
        raise TemplateError(f"The template {path} has no resources.")
    return Template(_translate(document, path))


def _default_path() -> Path:
    here = Path(__file__).resolve()
    checkout = here.parents[3] / "template.yaml"
    shipped = here.parents[1] / "template.yaml"
    return checkout if here.parents[2].name == "cli" and checkout.is_file() else shipped


def _translate(document: Fields, path: Path) -> Fields:
    # Imported here because the import takes longer than most commands.
    from samtranslator.metrics.metrics import DummyMetricsPublisher, Metrics
    from samtranslator.model.exceptions import InvalidDocumentException
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator

    # Nothing that the translator does for this template depends on the region. The stand-in for a session keeps the
    # translator from reading the AWS configuration.
    # Its type is a whole boto3 session; of that the translator uses the region name.
    session = SimpleNamespace(region_name=COMMERCIAL.home_region)
    metrics = Metrics("mfa-guard", DummyMetricsPublisher())
    translator = Translator(None, Parser(), boto_session=session, metrics=metrics)  # type: ignore[arg-type]
    try:
        translated = translator.translate(_as_if_uploaded(document), {}, get_managed_policy_map=dict)
    except InvalidDocumentException as error:
        reasons = " ".join(cause.message for cause in error.causes)
        raise TemplateError(f"SAM refuses the template {path}: {reasons}") from error
    finally:
        # The publisher discards them. Unpublished metrics make the translator write to standard error.
        metrics.publish()
    return _fields(translated)


def _as_if_uploaded(document: Fields) -> dict[str, object]:
    """Return a copy whose functions have their code in Amazon S3, since the translator requires it."""
    copy = deepcopy(dict(document))
    functions = [_fields(_fields(copy.get("Globals", {})).get("Function", {}))]
    functions += [_fields(_fields(each).get("Properties", {})) for each in _fields(copy["Resources"]).values()]
    for function in functions:
        if isinstance(function, dict) and isinstance(function.get("CodeUri"), str):
            function["CodeUri"] = {"Bucket": "not-uploaded", "Key": function["CodeUri"]}
    return copy


def _parameter(name: str, declaration: Fields, given: str | None) -> object:
    if given is None and "Default" not in declaration:
        raise TemplateError(f"The parameter {name} needs a value.")
    value = as_text(declaration["Default"] if given is None else given)
    allowed, pattern = declaration.get("AllowedValues"), declaration.get("AllowedPattern")
    if isinstance(allowed, list) and value not in map(as_text, allowed):
        raise TemplateError(f"The parameter {name} allows {', '.join(map(as_text, allowed))}, but not {value[:80]!a}.")
    longest = declaration.get("MaxLength")
    if (isinstance(pattern, str) and not re.fullmatch(pattern, value)) or (
        isinstance(longest, int) and len(value) > longest
    ):
        constraint = declaration.get("ConstraintDescription", f"must match {pattern}.")
        raise TemplateError(f"The parameter {name} does not allow {value[:80]!a}: it {constraint}")
    is_list = declaration.get("Type") == "CommaDelimitedList"
    return [each.strip() for each in value.split(",")] if is_list else value


def _statements(document: Fields) -> tuple[Fields, ...]:
    statements = document["Statement"]
    return tuple(map(_fields, statements if isinstance(statements, list) else [statements]))


def _fields(value: object) -> Fields:
    if not isinstance(value, Mapping):
        raise TemplateError(f"Expected an object, not {str(value)[:200]}.")
    return value


def _list(value: object) -> list[object]:
    if not isinstance(value, list | tuple):
        raise TemplateError(f"Expected a list, not {str(value)[:200]}.")
    return list(value)


if TYPE_CHECKING:
    _SafeLoader = yaml.SafeLoader
else:
    # Without libyaml, PyYAML's own parser works too, but ten times slower.
    _SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_SafeLoader):
    """A safe loader that reads short forms such as !Ref, and only true and false as booleans.

    YAML 1.1 reads an event named Off as False, and the version of a policy as a date.
    """


def _short_form(loader: _Loader, suffix: str, node: yaml.Node) -> Fields:
    value: object
    if isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = node.value
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_BOOLEAN: Final = "tag:yaml.org,2002:bool"
_TIMESTAMP: Final = "tag:yaml.org,2002:timestamp"
_Loader.yaml_implicit_resolvers = {
    first: [(tag, regex) for tag, regex in resolvers if tag not in (_BOOLEAN, _TIMESTAMP)]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_BOOLEAN, re.compile(r"(true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
_Loader.add_multi_constructor("!", _short_form)
