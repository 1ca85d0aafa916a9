"""A deployed stack in moto's account, with what moto lacks: the list of resources, the functions, and IAM's simulator.

The program gets the account's own session. This module answers its calls to CloudFormation, Lambda and the simulator.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from urllib.parse import parse_qs, unquote

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ClientError
from typer.testing import CliRunner, Result

from mfa_guard.core.times import utc_text
from mfa_guard_cli.admin import guard as admin_stack
from mfa_guard_cli.main import app
from mfa_guard_cli.policy.evaluator import Decision, Request, evaluate, parse_policy
from support.account import ADMINISTRATOR, Account
from support.stack_resources import resource_summaries
from support.upkeep import create_baseline

_DECISIONS: Final = {
    Decision.ALLOW: "allowed",
    Decision.DENY: "explicitDeny",
    Decision.IMPLICIT_DENY: "implicitDeny",
}


@dataclass
class Deployed:
    """The stack in moto's account; `failing` has the error codes of operations that fail."""

    account: Account
    failing: dict[str, str] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)
    invoked: list[tuple[str, object]] = field(default_factory=list)
    put: list[Mapping[str, str]] = field(default_factory=list)
    history: list[Mapping[str, object]] = field(default_factory=list)
    concurrency: int | None = None
    variables: Mapping[str, str] = field(default_factory=dict)

    def run(self, *words: str, typed: str | None = None) -> Result:
        """Run the program in this process, where standard input is `typed` and not a terminal."""
        return CliRunner().invoke(app, words, input=typed, catch_exceptions=False)

    def json(self, *words: str, exit_code: int = 0) -> dict[str, object]:
        """Run the program with --format json, and return what it printed."""
        result = self.run(*words, "--format", "json")
        assert result.exit_code == exit_code, result.output
        parsed = json.loads(result.stdout)
        assert isinstance(parsed, dict)
        return parsed

    def rows(self, *words: str, exit_code: int = 0) -> list[dict[str, str]]:
        """Run a command that lists rows, and return them."""
        result = self.run(*words, "--format", "json")
        assert result.exit_code == exit_code, result.output
        parsed = json.loads(result.stdout)
        assert isinstance(parsed, list)
        return parsed

    def enter(self, operation: str) -> None:
        """Record a call, or let it fail."""
        self.made.append(operation)
        if code := self.failing.get(operation):
            raise ClientError({"Error": {"Code": code, "Message": f"{code} by the test"}}, operation)

    def user(
        self,
        name: str = "alice",
        *,
        path: str = "/",
        password: bool = False,
        device: bool = False,
        enforced: bool = False,
        in_group: bool = False,
    ) -> str:
        """Create a user and return their ID."""
        iam = self.account.iam
        user = iam.create_user(self.account.stack.region, name, path)
        if password:
            iam.create_login_profile(name, "Not-a-real-passw0rd")
        if device:
            serial = iam.create_virtual_mfa_device(f"{name}-phone", "/").serial_number
            iam.enable_mfa_device(name, serial, "123456", "654321")
        if enforced:
            iam.attach_user_policy(self.policy, name)
        if in_group:
            iam.add_user_to_group(self.group, name)
        return str(user.id)

    def key(self, name: str = "alice", *, used: timedelta | None = timedelta(days=1)) -> str:
        """Give a user an access key that was last used some time ago, and return its ID."""
        key_id = str(self.account.iam.create_access_key(name).access_key_id)
        if used is not None:
            self.account.use_key(name, key_id, self.account.clock.now() - used)
        return key_id

    def exempt(
        self, user_id: str, name: str = "alice", *, ends: timedelta = timedelta(days=30), **changes: str
    ) -> None:
        """Record an exemption."""
        record = {
            "user_id": user_id,
            "user_name": name,
            "owner": "platform",
            "reason": "build machine",
            "created_by": "nadia",
            "expires_at": utc_text(self.account.clock.now() + ends),
            **changes,
        }
        self.account.clients.dynamodb.put_item(
            TableName=self.account.stack.physical_id("ExemptionsTable"),
            Item={name: {"S": value} for name, value in record.items()},
        )

    def record(self, user_id: str) -> dict[str, str] | None:
        """Return what the exemption table has for a user id."""
        found = self.account.clients.dynamodb.get_item(
            TableName=self.account.stack.physical_id("ExemptionsTable"), Key={"user_id": {"S": user_id}}
        ).get("Item")
        return None if found is None else {name: value["S"] for name, value in found.items()}

    @property
    def policy(self) -> str:
        return str(self.account.stack.resolve({"Ref": "EnforcementPolicy"}))

    @property
    def group(self) -> str:
        return self.account.stack.physical_id("EnforcementGroup")

    def policies_of(self, name: str = "alice") -> set[str]:
        return set(self.account.iam.get_user(name).managed_policies)

    def groups_of(self, name: str = "alice") -> set[str]:
        return {group.name for group in self.account.iam.get_groups_for_user(name)}

    def rule_states(self) -> dict[str, str]:
        pages = self.account.clients.events.get_paginator("list_rules").paginate()
        return {rule["Name"]: rule["State"] for page in pages for rule in page["Rules"]}

    def arn(self, function: str) -> str:
        return str(self.account.stack.resolve({"Fn::GetAtt": [function, "Arn"]}))


Answer = Callable[[Mapping[str, object]], Mapping[str, object]]


def deploy(account: Account, monkeypatch: pytest.MonkeyPatch) -> Deployed:
    """Create what the health checks require, and let the program use the account's session."""
    deployed = Deployed(account)
    create_baseline(account)
    # The administrator who runs the program has a password and an MFA device.
    account.iam.create_login_profile(ADMINISTRATOR, "Not-a-real-passw0rd")
    serial = account.iam.create_virtual_mfa_device(f"{ADMINISTRATOR}-phone", "/").serial_number
    account.iam.enable_mfa_device(ADMINISTRATOR, serial, "123456", "654321")
    events = account.session.events
    events.register("before-call", _watched(deployed))  # type: ignore[arg-type]
    for hook, answer in _answers(deployed).items():
        events.register(f"before-call.{hook}", _answering(answer, deployed))  # type: ignore[arg-type]
    monkeypatch.setattr(admin_stack, "open_session", lambda _profile, _region: account.session)
    return deployed


def _watched(deployed: Deployed) -> object:
    def watch(model: object, **_: object) -> None:
        deployed.enter(str(getattr(model, "name", "")))

    return watch


def _answering(answer: Answer, deployed: Deployed) -> object:
    # A handler that answers keeps botocore from sending the request.
    def respond(model: object, params: Mapping[str, object], **_: object) -> tuple[AWSResponse, Mapping[str, object]]:
        deployed.enter(str(getattr(model, "name", "")))
        response = AWSResponse("https://amazonaws.com/", 200, HTTPHeaders(), None)
        return response, {**answer(params), "ResponseMetadata": {"HTTPStatusCode": 200, "RequestId": "local"}}

    return respond


def _answers(deployed: Deployed) -> Mapping[str, Answer]:
    return {
        "cloudformation.ListStackResources": lambda params: _resources(deployed, params),
        "lambda.GetFunctionConfiguration": lambda _: _configuration(deployed),
        "lambda.GetFunctionConcurrency": lambda params: _concurrency(deployed, params),
        "lambda.DeleteFunctionConcurrency": lambda _: _unthrottled(deployed),
        "lambda.Invoke": lambda params: _invoked(deployed, params),
        "events.PutEvents": lambda params: _put(deployed, params),
        "iam.SimulatePrincipalPolicy": lambda params: _simulated(deployed, params),
        "cloudtrail.LookupEvents": lambda _: {
            "Events": [{"CloudTrailEvent": json.dumps(each)} for each in deployed.history]
        },
    }


def _resources(deployed: Deployed, params: Mapping[str, object]) -> Mapping[str, object]:
    stack, asked = deployed.account.stack, _form(params)["StackName"]
    if asked != stack.name:
        message = f"Stack with id {asked} does not exist"
        raise ClientError({"Error": {"Code": "ValidationError", "Message": message}}, "ListStackResources")
    return {"StackResourceSummaries": resource_summaries(stack)}


def _configuration(deployed: Deployed) -> Mapping[str, object]:
    environment = {**deployed.account.stack.environment("SweepFunction"), **deployed.variables}
    return {"FunctionArn": deployed.arn("SweepFunction"), "Environment": {"Variables": environment}}


def _concurrency(deployed: Deployed, params: Mapping[str, object]) -> Mapping[str, object]:
    asked = unquote(str(params["url_path"]).split("/")[3])
    sweep = asked in (deployed.arn("SweepFunction"), deployed.account.stack.physical_id("SweepFunction"))
    return {"ReservedConcurrentExecutions": deployed.concurrency} if sweep and deployed.concurrency is not None else {}


def _unthrottled(deployed: Deployed) -> Mapping[str, object]:
    deployed.concurrency = None
    return {}


def _invoked(deployed: Deployed, params: Mapping[str, object]) -> Mapping[str, object]:
    body = params["body"]
    assert isinstance(body, bytes)
    arn = unquote(str(params["url_path"]).split("/")[3])
    deployed.invoked.append((arn, json.loads(body)))
    return {"StatusCode": 202}


def _put(deployed: Deployed, params: Mapping[str, object]) -> Mapping[str, object]:
    body = params["body"]
    assert isinstance(body, bytes)
    deployed.put += json.loads(body)["Entries"]
    return {"FailedEntryCount": 0, "Entries": [{"EventId": "event"}]}


def _simulated(deployed: Deployed, params: Mapping[str, object]) -> Mapping[str, object]:
    form = _form(params)
    backend = deployed.account.iam
    name = form["PolicySourceArn"].rpartition("/")[2]
    stack = deployed.account.stack
    # The only policy that a test attaches.
    documents = [stack.policy_document("EnforcementPolicy")] if backend.get_user(name).managed_policies else []
    entries = [f"ContextEntries.member.{number}" for number in range(1, 5)]
    context = {
        form[f"{each}.ContextKeyName"]: form[f"{each}.ContextKeyValues.member.1"]
        for each in entries
        if f"{each}.ContextKeyName" in form
    }
    results = []
    for action in (value for key, value in form.items() if key.startswith("ActionNames.member.")):
        decision = evaluate(map(parse_policy, documents), Request(action, form["ResourceArns.member.1"], context))
        matched = [{"SourcePolicyId": "EnrollMFADeviceThenSignInAgain"}] if decision is Decision.DENY else []
        results.append({"EvalActionName": action, "EvalDecision": _DECISIONS[decision], "MatchedStatements": matched})
    return {"EvaluationResults": results, "IsTruncated": False}


def _form(params: Mapping[str, object]) -> Mapping[str, str]:
    """Return the parameters of a call in the query protocol."""
    body = params["body"]
    if isinstance(body, Mapping):
        return {str(key): str(value) for key, value in body.items()}
    return {key: values[0] for key, values in parse_qs(str(body)).items()}
