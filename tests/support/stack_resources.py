"""The listing of the stack's resources, which moto's CloudFormation lacks, since it does not create all of them."""

from collections.abc import Container
from types import SimpleNamespace

from botocore.hooks import BaseEventHooks

from mfa_guard.core.health.readings import StackResource
from mfa_guard_cli.stack.template import Stack


def list_resources(events: BaseEventHooks, stack: Stack, hidden: Container[str] = ()) -> None:
    """Let the clients of a session, or one client, list the rendered stack's resources, except the hidden ones."""

    def answer(model: object, **_: object) -> tuple[object, dict[str, object]] | None:
        if getattr(model, "name", "") != "ListStackResources":
            return None
        return SimpleNamespace(status_code=200), {"StackResourceSummaries": resource_summaries(stack, hidden)}

    # For all calls, because botocore asks handlers for one operation before the others, and a test may refuse this one.
    events.register_last("before-call", answer)  # type: ignore[arg-type]  # answers


def listed_resources(stack: Stack) -> dict[str, StackResource]:
    """Return the rendered stack's resources as the guard reads them from the listing."""
    return {
        each["LogicalResourceId"]: StackResource(each["ResourceType"], each["PhysicalResourceId"])
        for each in resource_summaries(stack)
    }


def resource_summaries(stack: Stack, hidden: Container[str] = ()) -> list[dict[str, str]]:
    """Return the rendered stack's resources as ListStackResources shows them."""
    return [
        {
            "LogicalResourceId": each.logical_id,
            "ResourceType": each.type,
            "ResourceStatus": "CREATE_COMPLETE",
            "PhysicalResourceId": stack.reference(each.logical_id),
        }
        for each in stack.resources.values()
        if each.logical_id not in hidden
    ]
