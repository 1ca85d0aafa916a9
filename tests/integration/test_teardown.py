"""The teardown on moto: 300 users released page by page, each AWS call failing in turn, the response over HTTP."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch
from urllib import request as http

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from moto.cloudformation.models import cloudformation_backends
from moto.core.responses import ActionResult
from moto.iam.responses import IamResponse

from mfa_guard.adapters.cloudformation import ResponseNotDelivered, ResponseSender, strict_opener
from mfa_guard.adapters.errors import translate_errors
from mfa_guard.core.custom_resource import RequestNotUnderstood, Response, Status
from mfa_guard.core.errors import AccessDenied, AwsRequestFailed, UserGone
from mfa_guard.handlers import teardown
from mfa_guard.runtime import clients
from mfa_guard_cli.stack.template import Stack
from support.account import Account
from support.aws import Context, Faults, ruled_by
from support.factories import MARKED
from support.fakes import FakeClock
from support.teardown import INVOCATION, LONGEST_CHAIN, request, request_event

Printed = Callable[[], list[dict[str, object]]]
SECRET = "a-secret"
TAG_LIST = [{"Key": key, "Value": value} for key, value in MARKED.items()]


@dataclass
class Listener:
    """CloudFormation's side, on loopback. `statuses` are the next HTTP statuses; after them, all are 200."""

    server: ThreadingHTTPServer
    statuses: list[int] = field(default_factory=list)
    taken: list[tuple[str, dict[str, str], dict[str, str]]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    @property
    def bodies(self) -> list[dict[str, str]]:
        return [body for _, _, body in self.taken]


@pytest.fixture
def listener() -> Iterator[Listener]:
    class Taking(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            here.taken.append((self.path, dict(self.headers), json.loads(body)))
            status = here.statuses.pop(0) if here.statuses else 200
            if status == 0:
                # Close the connection without a response.
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Taking) as server:
        here = Listener(server)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield here
        server.shutdown()
        thread.join()


class ToLoopback(http.HTTPSHandler):
    """Sends every https request to the listener, whatever its host."""

    def __init__(self, listener: Listener) -> None:
        super().__init__()
        self.listener = listener

    def https_open(self, req: http.Request) -> HTTPResponse:
        req.host = self.listener.url.removeprefix("http://")
        return self.do_open(HTTPConnection, req)


@dataclass
class Teardown:
    """An account whose stack is being deleted, while CloudFormation waits for the response."""

    account: Account
    listener: Listener
    faults: Faults
    stack_id: str
    clock: FakeClock = field(default_factory=FakeClock)
    invoked_with: list[dict[str, Any]] = field(default_factory=list)

    def status(self, word: str) -> None:
        stacks = cloudformation_backends[self.account.stack.account][self.account.stack.region].stacks
        stacks[self.stack_id].status = word

    def event(self, kind: str = "Delete", **changes: object) -> dict[str, object]:
        return request_event(kind, StackId=self.stack_id, **changes)

    def invoke(self, event: dict[str, object] | None = None) -> object:
        """Run the handler once."""
        end = self.clock.now() + INVOCATION

        @dataclass
        class Ticking(Context):
            def get_remaining_time_in_millis(_) -> int:  # noqa: N805
                return round((end - self.clock.now()).total_seconds() * 1000)

        return teardown.lambda_handler(self.event() if event is None else event, Ticking())

    def run(self, *, minutes_ago: int = 0) -> dict[str, str]:
        """Run the handler until it has responded, and return its only response."""
        began = self.clock.now() - timedelta(minutes=minutes_ago)
        signed = f"{self.event()['ResponseURL']}&X-Amz-Date={began:%Y%m%dT%H%M%SZ}"
        self.invoke(self.event(ResponseURL=signed))
        for _ in range(LONGEST_CHAIN):
            if not self.invoked_with:
                break
            self.invoke(self.invoked_with.pop(0))
        [answer] = self.listener.bodies
        return answer

    def left(self) -> tuple[int, int, int]:
        """Return how many users, roles and groups are attached, in the group, and tagged."""
        stack, iam = self.account.stack, self.account.iam
        policy = str(stack.resolve({"Ref": "EnforcementPolicy"}))
        group = iam.get_group(stack.physical_id("EnforcementGroup"))
        entities: list[Any] = [*iam.users.values(), *iam.roles.values(), *iam.groups.values()]
        attached = [each for each in entities if policy in each.managed_policies and each is not group]
        tagged = [user for user in iam.users.values() if any(tag["Key"] in MARKED for tag in user.tags or [])]
        return len(attached), len(group.users), len(tagged)


def _paged(
    rows: list[tuple[str, object]], response: IamResponse, names: tuple[str, ...], **more: object
) -> ActionResult:
    """Return a hundred rows at most, as IAM can, whatever MaxItems is."""
    start = int(response._get_param("Marker") or 0)
    assert response._get_param("MaxItems") == 1000
    page, end = rows[start : start + 100], start + 100
    lists = {name: [row for listed, row in page if listed == name] for name in names}
    marker = {"Marker": str(end)} if end < len(rows) else {}
    return ActionResult({**lists, **more, **marker, "IsTruncated": bool(marker)})


def _list_entities(response: IamResponse) -> ActionResult:
    arn, iam = response._get_param("PolicyArn"), response.backend
    # Without the filter, IAM would also list users who have the policy as a permissions boundary.
    assert response._get_param("PolicyUsageFilter") == "PermissionsPolicy"
    iam.get_policy(arn)
    lists: dict[str, Mapping[str, Any]] = {
        "PolicyUsers": iam.users,
        "PolicyRoles": iam.roles,
        "PolicyGroups": iam.groups,
    }
    rows = [(name, each) for name, all_ in lists.items() for each in all_.values() if arn in each.managed_policies]
    return _paged(rows, response, tuple(lists))


def _get_group(response: IamResponse) -> ActionResult:
    group = response.backend.get_group(response._get_param("GroupName"))
    return _paged([("Users", user) for user in group.users], response, ("Users",), Group=group)


@pytest.fixture
def leaving(account: Account, stack: Stack, listener: Listener, monkeypatch: pytest.MonkeyPatch) -> Iterator[Teardown]:
    template = json.dumps({"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}})
    stack_id = boto3.client("cloudformation").create_stack(StackName="mfa-guard", TemplateBody=template)["StackId"]
    for name, value in {**stack.environment("TeardownFunction"), "STACK_ID": stack_id}.items():
        monkeypatch.setenv(name, value)
    ongoing = Teardown(account, listener, Faults(), stack_id)
    ongoing.status("DELETE_IN_PROGRESS")
    account.iam_reads.limit_pages(100)

    def invoked(params: dict[str, Any], model: object, **_: object) -> tuple[object, dict[str, int]]:
        ongoing.faults.before_call(model)
        assert params["headers"]["X-Amz-Invocation-Type"] == "Event"
        assert params["url_path"].endswith("/functions/mfa-guard-function/invocations")
        ongoing.invoked_with.append(json.loads(params["body"]))
        return SimpleNamespace(status_code=202), {"StatusCode": 202}

    events = account.session.events
    events.register("before-call", ongoing.faults.before_call)
    events.register_last("before-call.lambda.Invoke", invoked)  # type: ignore[arg-type]  # may answer in AWS's place
    opener = http.OpenerDirector()
    for handler in (ToLoopback(listener), http.HTTPErrorProcessor(), http.HTTPDefaultErrorHandler()):
        opener.add_handler(handler)
    with ExitStack() as patches:
        patches.enter_context(patch.object(IamResponse, "list_entities_for_policy", _list_entities))
        patches.enter_context(patch.object(IamResponse, "get_group", _get_group))
        patches.enter_context(ruled_by(ongoing.clock))
        patches.enter_context(patch.object(teardown, "response_sender", lambda: ResponseSender(opener, ongoing.clock)))
        yield ongoing


def enforced_user(ongoing: Teardown, name: str, *, attached: bool = True, in_group: bool = True) -> None:
    """Create an enforced user in moto's backend, without calls: hundreds of users take no time."""
    iam, stack = ongoing.account.iam, ongoing.account.stack
    iam.create_user(stack.region, user_name=name, tags=[{"Key": "team", "Value": "red"}, *TAG_LIST])
    if attached:
        iam.attach_user_policy(str(stack.resolve({"Ref": "EnforcementPolicy"})), name)
    if in_group:
        iam.add_user_to_group(stack.physical_id("EnforcementGroup"), name)


@pytest.fixture
def all_users(leaving: Teardown) -> Teardown:
    """Attach the policy to 300 users, a role and a group; add 150 users to the enforcement group; tag all users."""
    for number in range(300):
        enforced_user(leaving, f"user-{number}", in_group=number % 2 == 1)
    iam, policy = boto3.client("iam"), str(leaving.account.stack.resolve({"Ref": "EnforcementPolicy"}))
    iam.create_role(RoleName="Build", AssumeRolePolicyDocument="{}")
    iam.attach_role_policy(RoleName="Build", PolicyArn=policy)
    iam.create_group(GroupName="staff")
    iam.attach_group_policy(GroupName="staff", PolicyArn=policy)
    leaving.faults.made.clear()
    return leaving


@pytest.fixture
def three(leaving: Teardown) -> Teardown:
    """Attach the policy to alice, bob and carla, add them to the group, and tag them."""
    for name in ("alice", "bob", "carla"):
        enforced_user(leaving, name)
    leaving.faults.made.clear()
    return leaving


class TestDeletion:
    def test_all_users_are_released_and_cloudformation_gets_its_response(self, all_users: Teardown) -> None:
        assert all_users.left() == (302, 150, 300)
        answer = all_users.run()
        assert all_users.left() == (0, 0, 0)
        # Three full listings: 303 entities, 150 members and 301 users in pages of a hundred, then two with nothing to
        # do. One call removes one attachment.
        made = Counter(all_users.faults.made)
        assert made["ListEntitiesForPolicy"] == 4 + 1 + 1
        assert made["GetGroup"] == 2 + 1 + 1
        assert made["GetAccountAuthorizationDetails"] == 4 * 3
        assert (made["DetachUserPolicy"], made["RemoveUserFromGroup"], made["UntagUser"]) == (300, 150, 300)
        assert (made["DetachRolePolicy"], made["DetachGroupPolicy"], made["DescribeStacks"]) == (1, 1, 3)
        assert answer == {
            "Status": "SUCCESS",
            "Reason": "The enforcement policy no longer applies to any user.",
            "PhysicalResourceId": "Teardown",
            "StackId": all_users.stack_id,
            "RequestId": "request-1",
            "LogicalResourceId": "Teardown",
        }

    def test_other_tags_and_the_groups_own_policy_stay(self, three: Teardown) -> None:
        three.run()
        stack = three.account.stack
        tags = boto3.client("iam").list_user_tags(UserName="bob")["Tags"]
        assert tags == [{"Key": "team", "Value": "red"}]
        group = three.account.iam.get_group(stack.physical_id("EnforcementGroup"))
        assert list(group.managed_policies) == [stack.resolve({"Ref": "EnforcementPolicy"})]

    def test_the_stack_can_then_delete_policy_and_group(self, three: Teardown) -> None:
        three.run()
        iam, stack = boto3.client("iam"), three.account.stack
        group, policy = stack.physical_id("EnforcementGroup"), str(stack.resolve({"Ref": "EnforcementPolicy"}))
        iam.detach_group_policy(GroupName=group, PolicyArn=policy)
        iam.delete_group(GroupName=group)
        iam.delete_policy(PolicyArn=policy)

    @pytest.mark.parametrize("status", ["CREATE_COMPLETE", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"])
    def test_no_user_is_released_while_the_stack_stays(self, three: Teardown, status: str) -> None:
        three.status(status)
        assert three.run()["Status"] == "SUCCESS"
        assert three.left() == (3, 3, 3)

    def test_a_policy_and_a_group_that_do_not_exist_are_no_failure(self, leaving: Teardown) -> None:
        iam, stack = boto3.client("iam"), leaving.account.stack
        group, policy = stack.physical_id("EnforcementGroup"), str(stack.resolve({"Ref": "EnforcementPolicy"}))
        iam.detach_group_policy(GroupName=group, PolicyArn=policy)
        iam.delete_group(GroupName=group)
        iam.delete_policy(PolicyArn=policy)
        assert leaving.run()["Status"] == "SUCCESS"

    def test_a_second_request_finds_nothing_to_do(self, three: Teardown) -> None:
        three.run()
        three.listener.taken.clear()
        assert three.run()["Status"] == "SUCCESS"


class TestFaults:
    READS = ("DescribeStacks", "ListEntitiesForPolicy", "GetGroup", "GetAccountAuthorizationDetails")
    WRITES = ("DetachUserPolicy", "RemoveUserFromGroup", "UntagUser")

    @pytest.mark.parametrize("code", ["AccessDenied", "Throttling"])
    @pytest.mark.parametrize("operation", [*READS, *WRITES])
    def test_a_call_that_always_fails_ends_in_a_failure_that_names_it(
        self, three: Teardown, operation: str, code: str
    ) -> None:
        three.faults.failing = {operation: code}
        answer = three.run(minutes_ago=40)
        assert answer["Status"] == "FAILED"
        assert f"{code}: {code} by the test" in answer["Reason"]
        assert answer["Reason"].endswith("delete the stack again, which continues where this stopped.")
        others = {"DetachUserPolicy": 0, "RemoveUserFromGroup": 1, "UntagUser": 2}
        for write, place in others.items():
            blind = operation == "DescribeStacks" or operation == self.READS[place + 1]
            assert (three.left()[place] == 0) is not (blind or operation == write)

    @pytest.mark.parametrize("operation", WRITES)
    def test_a_user_deleted_in_the_meantime_is_no_failure(self, three: Teardown, operation: str) -> None:
        before_call = three.faults.before_call

        def vanish(model: object, **more: object) -> None:
            if getattr(model, "name", "") == operation and "bob" in three.account.iam.users:
                user = three.account.iam.users.pop("bob")
                for group in three.account.iam.groups.values():
                    group.users = [member for member in group.users if member is not user]
            before_call(model, **more)

        three.account.session.events.register_first("before-call.iam", vanish)
        assert three.run()["Status"] == "SUCCESS"
        assert three.left() == (0, 0, 0)

    def test_a_function_that_cannot_invoke_itself_fails_at_once(self, three: Teardown) -> None:
        three.faults.failing = {"Invoke": "AccessDeniedException", "UntagUser": "Throttling"}
        answer = three.run()
        assert answer["Status"] == "FAILED"
        assert "could not start again (AccessDeniedException" in answer["Reason"]

    def test_an_unexpected_error_gets_a_response_and_is_logged(
        self, three: Teardown, printed: Printed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MODE", "maybe")
        assert "SettingsError" in three.run()["Reason"]
        assert any(line.get("level") == "ERROR" for line in printed())

    def test_a_response_that_is_not_delivered_raises_so_that_lambda_retries(self, three: Teardown) -> None:
        three.listener.statuses = [503] * 5
        with pytest.raises(ResponseNotDelivered, match="HTTP status 503"):
            three.invoke()
        three.listener.taken.clear()
        assert three.run()["Status"] == "SUCCESS"


class TestCreationAndUpdate:
    def test_creation_gets_its_response_first_and_then_an_audit(self, three: Teardown) -> None:
        put: list[object] = []

        def take(params: dict[str, Any], **_: object) -> None:
            assert three.listener.bodies[0]["Status"] == "SUCCESS"
            put.extend(json.loads(params["body"])["Entries"])

        three.account.session.events.register("before-call.events.PutEvents", take)
        three.status("CREATE_COMPLETE")
        assert three.invoke(three.event("Create")) == {"status": "SUCCESS"}
        assert put == [{"Source": "mfa-guard", "DetailType": "Sweep requested", "Detail": '{"mode": "audit"}'}]
        assert three.listener.bodies[0]["PhysicalResourceId"] == "Teardown"
        assert three.left() == (3, 3, 3)

    def test_a_sweep_that_cannot_be_requested_raises_after_the_response(self, three: Teardown) -> None:
        three.status("CREATE_COMPLETE")
        three.faults.failing = {"PutEvents": "InternalException"}
        with pytest.raises(Exception, match="InternalException"):
            three.invoke(three.event("Create"))
        assert [body["Status"] for body in three.listener.bodies] == ["SUCCESS"]

    def test_an_update_does_nothing_and_keeps_the_resources_name(self, three: Teardown) -> None:
        three.status("UPDATE_IN_PROGRESS")
        three.faults.made.clear()
        assert three.invoke(three.event("Update", PhysicalResourceId="older")) == {"status": "SUCCESS"}
        assert three.faults.made == []
        assert three.listener.bodies[0]["PhysicalResourceId"] == "older"


class TestRequestsThatAreRejected:
    @pytest.mark.parametrize(
        "changes",
        [
            {"ResponseURL": f"https://example.com/?{SECRET}"},
            {"ResponseURL": f"http://127.0.0.1/?{SECRET}"},
            {"StackId": "arn:aws:cloudformation:us-east-1:111122223333:stack/other/0"},
            {"RequestType": "Release"},
            {"RequestId": None},
        ],
    )
    def test_a_request_that_is_not_cloudformations_is_counted_and_nothing_happens(
        self, three: Teardown, printed: Printed, changes: dict[str, object]
    ) -> None:
        with pytest.raises(RequestNotUnderstood):
            three.invoke({**three.event(), **changes})
        assert three.faults.made == []
        assert three.listener.taken == []
        lines = printed()
        assert any("EventsNotUnderstood" in line for line in lines)
        assert SECRET not in json.dumps(lines)


@pytest.mark.parametrize("field", ["RequestId", "LogicalResourceId"])
def test_the_text_of_a_request_in_a_log_line_is_bounded_and_valid(
    three: Teardown, printed: Printed, field: str
) -> None:
    three.invoke(three.event("Update", **{field: "\ud800" + "x" * 300_000}))
    lines = printed()
    assert all(len(json.dumps(line)) < 10_000 for line in lines)
    assert "\ud800" not in "".join(json.dumps(line, ensure_ascii=False) for line in lines)


def test_the_secret_url_is_in_no_log(three: Teardown, printed: Printed) -> None:
    three.faults.failing = {"UntagUser": "Throttling"}
    three.listener.statuses = [500]
    three.invoke()
    three.invoke(three.invoked_with.pop(0))
    text = json.dumps(printed())
    assert "Continued in another invocation" in text
    assert SECRET not in text
    assert "custom-resource-response" not in text


class TestResponses:
    RESPONSE = Response(Status.FAILED, "Nothing worked.")

    @pytest.fixture
    def clock(self) -> FakeClock:
        return FakeClock()

    def send(self, url: str, clock: FakeClock) -> None:
        ResponseSender(strict_opener(http.HTTPHandler()), clock).send(
            replace(request(), response_url=url), self.RESPONSE
        )

    def test_it_is_put_as_it_was_signed_without_a_content_type(self, listener: Listener, clock: FakeClock) -> None:
        self.send(f"{listener.url}/arn%3Aaws%7CRelease?X-Amz-Signature={SECRET}", clock)
        [(path, headers, body)] = listener.taken
        assert path == f"/arn%3Aaws%7CRelease?X-Amz-Signature={SECRET}"
        assert headers["Content-Type"] == ""
        assert (body["Status"], body["Reason"]) == ("FAILED", "Nothing worked.")

    @pytest.mark.parametrize("failures", [[500], [503, 500], [0], [403, 0, 500, 503]])
    def test_it_is_sent_again_with_pauses(self, listener: Listener, clock: FakeClock, failures: list[int]) -> None:
        listener.statuses = list(failures)
        began = clock.now()
        self.send(f"{listener.url}/x", clock)
        assert len(listener.taken) == len(failures) + 1
        assert (clock.now() - began).total_seconds() == 2 ** len(failures) - 1

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_redirects_are_not_followed(self, listener: Listener, clock: FakeClock, status: int) -> None:
        listener.statuses = [status] * 5
        with pytest.raises(ResponseNotDelivered, match=f"HTTP status {status}"):
            self.send(f"{listener.url}/x", clock)
        assert {path for path, _, _ in listener.taken} == {"/x"}

    def test_no_proxy_is_used(self, listener: Listener, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:1")
        self.send(f"{listener.url}/x", clock)
        assert len(listener.taken) == 1

    @pytest.mark.parametrize("scheme", ["http", "ftp", "file", "data"])
    def test_nothing_but_https_is_opened(self, listener: Listener, clock: FakeClock, scheme: str) -> None:
        url = f"{scheme}{listener.url.removeprefix('http')}/x"
        with pytest.raises(ResponseNotDelivered, match=f"unknown url type: {scheme}"):
            ResponseSender(strict_opener(), clock).send(replace(request(), response_url=url), self.RESPONSE)
        assert listener.taken == []

    @pytest.mark.parametrize(
        ("url", "problem"),
        [
            ("http://127.0.0.1:1/{}", "URLError .*refused"),
            ("http://127.0.0.1:1/a b{}", "InvalidURL"),
        ],
    )
    def test_a_failure_names_the_reason_and_never_the_url(self, clock: FakeClock, url: str, problem: str) -> None:
        with pytest.raises(ResponseNotDelivered, match=problem) as failed:
            self.send(url.format(SECRET), clock)
        assert SECRET not in str(failed.value)
        assert failed.value.__context__ is None

    def test_a_closed_connection_is_a_failure_too(self, listener: Listener, clock: FakeClock) -> None:
        listener.statuses = [0] * 5
        with pytest.raises(ResponseNotDelivered, match="RemoteDisconnected"):
            self.send(f"{listener.url}/x", clock)


class TestErrorsOfAws:
    def test_a_connection_that_fails_is_a_failed_request(self) -> None:
        with pytest.raises(AwsRequestFailed, match="EndpointConnectionError"), translate_errors():
            raise EndpointConnectionError(endpoint_url="https://iam.amazonaws.com")

    @pytest.mark.parametrize(
        ("code", "error"),
        [
            ("AccessDenied", AccessDenied),
            ("AccessDeniedException", AccessDenied),
            ("UnmodifiableEntity", AccessDenied),
            ("NoSuchEntity", UserGone),
            ("Throttling", AwsRequestFailed),
            ("ServiceFailure", AwsRequestFailed),
        ],
    )
    @pytest.mark.usefixtures("account")
    def test_error_codes_become_the_guards_errors(self, faults: Faults, code: str, error: type[Exception]) -> None:
        faults.failing = {"GetUser": code}
        with pytest.raises(error) as raised, translate_errors():
            clients.iam().get_user(UserName="alice")
        assert type(raised.value) is error
