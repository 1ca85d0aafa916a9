"""What the stack deployed, so that the health checks can compare it with what AWS shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from mfa_guard.core.health.content import Content, NotFilled, placeholder_values
from mfa_guard.core.health.readings import Fields, StackResource, Unread
from mfa_guard.core.settings import Settings, SettingsError, required_variable


@dataclass(frozen=True)
class Deployed:
    """What the stack deployed, as the code and the function's environment say.

    A change in IAM or EventBridge cannot alter it. The names of the stack's rules begin with `name_prefix`. `functions`
    are the ARNs of the functions that handle events and sweep requests. `true_conditions` are the template's conditions
    on which `content` depends. `version` is the version of the guard that deployed the stack. `max_concurrency` is
    UserEventFunction's reserved concurrency; None: nothing is reserved.
    """

    settings: Settings
    stack_name: str
    name_prefix: str
    functions: tuple[str, ...]
    queue_url: str
    content: Content | Unread
    true_conditions: frozenset[str]
    schedule_expression: str
    version: str
    max_concurrency: int | None = None

    def names(self, resource_type: str) -> tuple[str, ...] | Unread:
        """Return the names of the resources of a type whose names begin with `name_prefix`."""
        if isinstance(self.content, Unread):
            return self.content
        values = {"NamePrefix": self.name_prefix}
        content = self.content
        return tuple(
            str(content.filled(each, ("Name",), values, ())["Name"]) for each in content.of_type(resource_type)
        )


def parse_deployed(
    environment: Mapping[str, str], settings: Settings, own_arn: str, content: Content | Unread
) -> Deployed:
    """Return what SweepFunction's environment says was deployed; `own_arn` is SweepFunction's. Raises SettingsError."""
    concurrency = environment.get("MAX_CONCURRENCY", "0")
    if not concurrency.isdecimal():
        raise SettingsError("The environment variable MAX_CONCURRENCY must be a number.")
    return Deployed(
        settings=settings,
        stack_name=required_variable(environment, "STACK_NAME"),
        name_prefix=required_variable(environment, "NAME_PREFIX"),
        functions=(*required_variable(environment, "RULE_TARGETS").split(","), own_arn),
        queue_url=required_variable(environment, "DEAD_LETTER_QUEUE_URL"),
        content=content,
        true_conditions=frozenset(required_variable(environment, "TRUE_CONDITIONS").split(",")) - {""},
        schedule_expression=required_variable(environment, "SWEEP_SCHEDULE_EXPRESSION"),
        version=required_variable(environment, "VERSION"),
        max_concurrency=int(concurrency) or None,
    )


_NO_CONTENT: Final = Content({})


class Expected:
    """The content of the guard's parts in this stack; `listed` are the stack's resources."""

    def __init__(self, deployed: Deployed, listed: Mapping[str, StackResource] | Unread) -> None:
        self._deployed = deployed
        self._listed = listed
        chosen = deployed.settings
        self._content = _NO_CONTENT if isinstance(deployed.content, Unread) else deployed.content
        self._values = placeholder_values(
            {} if isinstance(listed, Unread) else listed,
            partition=chosen.partition,
            region=chosen.region,
            account=chosen.account,
            **{"AWS::StackName": deployed.stack_name, "NamePrefix": deployed.name_prefix},
        )

    @property
    def unread(self) -> Unread | None:
        """Return why no content is known, or None."""
        return self._deployed.content if isinstance(self._deployed.content, Unread) else None

    def of_type(self, resource_type: str) -> tuple[str, ...]:
        """Return the logical ids of the stack's resources of a type."""
        listed = () if isinstance(self._listed, Unread) else self._listed
        return tuple(
            each
            for each in self._content.of_type(resource_type)
            if each in listed or not self._content.is_conditional(each)
        )

    def properties(self, logical_id: str, *names: str) -> Fields | Unread:
        """Return these properties of a resource, or why they are not known."""
        if self.unread:
            return self.unread
        try:
            return self._content.filled(logical_id, names, self._values, self._deployed.true_conditions)
        except NotFilled as missing:
            if isinstance(self._listed, Unread):
                return self._listed
            return Unread(f"The stack {self._deployed.stack_name} has no resource {missing}")

    def only(self, resource_type: str, *names: str) -> Fields | Unread:
        """Return these properties of the one resource of a type, or why they are not known."""
        if self.unread:
            return self.unread
        [logical_id] = self.of_type(resource_type)
        return self.properties(logical_id, *names)
