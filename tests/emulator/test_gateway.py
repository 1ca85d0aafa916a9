"""The gateway of the local account: who can call, with which codes, and what is recorded."""

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from mfa_guard.core.cloudtrail import ROOT_NAME
from mfa_guard_cli.stack.template import Fields, Stack
from mfa_guard_emulator.account import LocalAccount
from mfa_guard_emulator.aws.callers import Caller
from mfa_guard_emulator.aws.calls import Call
from mfa_guard_emulator.aws.resources import Clients
from mfa_guard_emulator.endpoint import ADMINISTRATOR_KEY, Credentials
from support.local import Recorder, acting_as, administrator, code, new_device, new_key, root, with_credentials

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

ACCOUNT: Final = "111122223333"
TRUST: Final = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}]}'
ROLE: Final = f"arn:aws:iam::{ACCOUNT}:role/Deploy"
EVERYTHING: Final = "arn:aws:iam::aws:policy/AdministratorAccess"
HOSTILE: Final = '"><script>alert(1)</script>{{7*7}}%0d%0a$(id)'


@dataclass(frozen=True)
class Person:
    """A user with an access key and a phone."""

    account: LocalAccount
    name: str
    key: Credentials
    serial: str
    seed: str

    @property
    def clients(self) -> Clients:
        return with_credentials(self.account, self.key)

    def code(self, seconds: int = 0) -> str:
        return code(self.account, self.seed, seconds)

    def session(self, **parameters: object) -> Credentials:
        """Return the credentials from GetSessionToken."""
        return credentials_in(self.clients.any("sts").get_session_token(**parameters))


def credentials_in(answer: Fields) -> Credentials:
    given = answer["Credentials"]
    assert isinstance(given, Mapping)
    return Credentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"], given["Expiration"])


@pytest.fixture
def person(account: LocalAccount) -> Person:
    """Return a new user, whose phone showed no code yet."""
    number = len(account.iam.users)
    name, serial = f"person-{number}", f"arn:aws:iam::{ACCOUNT}:mfa/phone-{number}"
    account.clients.iam.create_user(UserName=name)
    seed = new_device(account, serial)
    account.iam.enable_mfa_device(name, serial, "", "")
    return Person(account, name, new_key(account, name), serial, seed)


@pytest.fixture
def held(account: LocalAccount) -> Iterator[list[tuple[Fields, Caller]]]:
    """Return the events of users, which invoke no function here."""
    with account.holding_events() as kept:
        yield kept


@pytest.fixture(autouse=True)
def _role(running: LocalAccount) -> None:
    if "Deploy" not in {role.name for role in running.iam.roles.values()}:
        running.clients.iam.create_role(RoleName="Deploy", AssumeRolePolicyDocument=TRUST)


def refused(act: Callable[[], object]) -> str:
    """Return the code of the error that a call raises."""
    with pytest.raises(ClientError) as error:
        act()
    return str(error.value.response["Error"]["Code"])


def identity_call(account: LocalAccount, credentials: Credentials) -> Callable[[], object]:
    return with_credentials(account, credentials).any("sts").get_caller_identity


def records(held: list[tuple[Fields, Caller]]) -> list[dict[str, object]]:
    return [dict(envelope["detail"]) for envelope, _ in held]  # type: ignore[call-overload]  # a mapping


# Names and regions


NAMING: Final = [
    ("create_user", "UserName", 64),
    ("get_user", "UserName", 64),
    ("create_group", "GroupName", 128),
    ("create_virtual_mfa_device", "VirtualMFADeviceName", 226),
]


@pytest.mark.parametrize("name", ["a b", "a&b", "a\x1b[31mb", "ä"])
@pytest.mark.parametrize(("call", "parameter", "longest"), NAMING)
def test_a_name_that_iam_does_not_allow_is_refused(
    account: LocalAccount, call: str, parameter: str, longest: int, name: str
) -> None:
    call_iam = getattr(administrator(account).iam, call)
    for refused_name in (name, "x" * (longest + 1)):
        assert refused(partial(call_iam, **{parameter: refused_name})) == "ValidationError"
    assert name not in account.iam.users


def test_the_stack_is_in_its_own_region_only(account: LocalAccount) -> None:
    elsewhere = account.session(ADMINISTRATOR_KEY).client(
        "cloudformation", region_name="eu-west-1", endpoint_url=account.endpoint
    )
    assert refused(lambda: elsewhere.describe_stacks(StackName="mfa-guard")) == "ValidationError"
    assert elsewhere.describe_stacks()["Stacks"] == elsewhere.list_stacks()["StackSummaries"] == []


def test_the_stack_is_listed(account: LocalAccount) -> None:
    stacks = administrator(account).any("cloudformation")
    listed = stacks.list_stacks()["StackSummaries"]
    assert isinstance(listed, list)
    assert [(each["StackName"], each["StackStatus"]) for each in listed] == [("mfa-guard", "CREATE_COMPLETE")]
    assert stacks.list_stacks(StackStatusFilter=["CREATE_COMPLETE"])["StackSummaries"] == listed
    assert stacks.list_stacks(StackStatusFilter=["DELETE_COMPLETE"])["StackSummaries"] == []


@pytest.mark.parametrize("call", ["describe_stack_events", "get_template", "detect_stack_drift"])
def test_an_unsupported_call_about_the_stack_is_not_an_error_about_the_stack(account: LocalAccount, call: str) -> None:
    call_cloudformation = getattr(administrator(account).any("cloudformation"), call)
    assert refused(partial(call_cloudformation, StackName="mfa-guard")) == "NotImplemented"


# Keys and sessions


def test_an_unknown_key_is_refused(account: LocalAccount) -> None:
    assert refused(identity_call(account, Credentials("AKIAUNKNOWNUNKNOWN00", "x"))) == "InvalidClientTokenId"


def test_an_inactive_key_is_refused_and_works_once_it_is_active_again(person: Person) -> None:
    iam = person.account.clients.iam
    iam.update_access_key(UserName=person.name, AccessKeyId=person.key.key_id, Status="Inactive")
    assert refused(identity_call(person.account, person.key)) == "InvalidClientTokenId"
    iam.update_access_key(UserName=person.name, AccessKeyId=person.key.key_id, Status="Active")
    assert identity_call(person.account, person.key)()


def test_a_deleted_key_is_refused(person: Person) -> None:
    person.account.clients.iam.delete_access_key(UserName=person.name, AccessKeyId=person.key.key_id)
    assert refused(identity_call(person.account, person.key)) == "InvalidClientTokenId"


@pytest.mark.parametrize("token", ["the token of another session", None])
def test_a_session_without_its_own_token_is_refused(person: Person, token: str | None) -> None:
    session = replace(person.session(), token=token)
    assert refused(identity_call(person.account, session)) == "InvalidClientTokenId"


def test_a_session_ends(person: Person) -> None:
    session = person.session(DurationSeconds=900)
    person.account.clock.advance(timedelta(seconds=890))
    assert identity_call(person.account, session)()
    person.account.clock.advance(timedelta(seconds=11))
    assert refused(identity_call(person.account, session)) == "ExpiredToken"


def test_an_unsigned_request_is_refused(account: LocalAccount) -> None:
    status, body = ask(account, "POST", "/", body="Action=ListUsers&Version=2010-05-08")
    assert (status, "MissingAuthenticationToken" in body) == (403, True)


# Codes


def enable(person: Person, serial: str, first: str, second: str) -> Callable[[], object]:
    return lambda: person.clients.iam.enable_mfa_device(
        UserName=person.name, SerialNumber=serial, AuthenticationCode1=first, AuthenticationCode2=second
    )


@pytest.fixture
def second_phone(person: Person) -> tuple[str, str]:
    """Return the serial number and the seed of a device that is not enabled yet."""
    serial = f"{person.serial}-second"
    return serial, new_device(person.account, serial)


@pytest.mark.parametrize("seconds", [(-30, 0), (0, 30), (-60, -30)])
def test_two_codes_that_follow_each_other_enable_a_device(
    person: Person, second_phone: tuple[str, str], seconds: tuple[int, int], held: list[object]
) -> None:
    serial, seed = second_phone
    enable(person, serial, *(code(person.account, seed, each) for each in seconds))()
    assert serial in person.account.iam.users[person.name].mfa_devices
    assert len(held) == 1


@pytest.mark.parametrize("seconds", [(0, -30), (0, 0), (-60, 0), (-600, -570)])
def test_two_other_codes_do_not(
    person: Person, second_phone: tuple[str, str], seconds: tuple[int, int], held: list[tuple[Fields, Caller]]
) -> None:
    serial, seed = second_phone
    act = enable(person, serial, *(code(person.account, seed, each) for each in seconds))
    assert refused(act) == "InvalidAuthenticationCode"
    assert serial not in person.account.iam.users[person.name].mfa_devices
    assert [record["errorCode"] for record in records(held)] == ["InvalidAuthenticationCodeException"]


def test_codes_of_another_device_enable_nothing(
    person: Person, second_phone: tuple[str, str], held: list[object]
) -> None:
    assert refused(enable(person, second_phone[0], person.code(-30), person.code())) == "InvalidAuthenticationCode"
    assert len(held) == 1


def test_only_the_codes_of_a_device_resynchronize_it(person: Person, held: list[object]) -> None:
    def resync(first: str, second: str) -> Callable[[], object]:
        return lambda: person.clients.iam.resync_mfa_device(
            UserName=person.name, SerialNumber=person.serial, AuthenticationCode1=first, AuthenticationCode2=second
        )

    resync(person.code(-30), person.code())()
    assert refused(resync("000000", "111111")) == "InvalidAuthenticationCode"
    assert held == []


def token_call(person: Person, name: str) -> Callable[[str, str], object]:
    """Return a function that calls STS with a serial number and a code."""
    sts = person.clients.any("sts")
    if name == "GetSessionToken":
        return lambda serial, code_: sts.get_session_token(SerialNumber=serial, TokenCode=code_)
    return lambda serial, code_: sts.assume_role(
        RoleArn=ROLE, RoleSessionName="me", SerialNumber=serial, TokenCode=code_
    )


@pytest.fixture(params=["GetSessionToken", "AssumeRole"])
def call(person: Person, request: pytest.FixtureRequest) -> Callable[[str, str], object]:
    return token_call(person, str(request.param))


@pytest.mark.parametrize("seconds", [-30, 0, 30])
def test_a_clock_can_be_half_a_minute_off(person: Person, call: Callable[[str, str], object], seconds: int) -> None:
    assert call(person.serial, person.code(seconds))


@pytest.mark.parametrize("seconds", [-60, 60])
def test_a_clock_a_minute_off_is_refused(person: Person, call: Callable[[str, str], object], seconds: int) -> None:
    assert refused(lambda: call(person.serial, person.code(seconds))) == "AccessDenied"


def test_a_wrong_code_is_refused(person: Person, call: Callable[[str, str], object]) -> None:
    wrong = f"{(int(person.code()) + 1) % 10**6:06}"
    assert refused(lambda: call(person.serial, wrong)) == "AccessDenied"


def test_a_code_can_be_used_once(person: Person, call: Callable[[str, str], object]) -> None:
    shown = person.code()
    call(person.serial, shown)
    assert refused(lambda: call(person.serial, shown)) == "AccessDenied"
    assert refused(lambda: token_call(person, "AssumeRole")(person.serial, shown)) == "AccessDenied"
    person.account.clock.advance(timedelta(seconds=30))
    assert call(person.serial, person.code())


def test_the_device_of_another_user_is_refused(
    person: Person, second_phone: tuple[str, str], call: Callable[[str, str], object]
) -> None:
    serial, seed = second_phone
    assert refused(lambda: call(serial, code(person.account, seed))) == "AccessDenied"


# Sessions


@pytest.mark.parametrize(("seconds", "accepted"), [(900, True), (129_600, True), (129_601, False)])
def test_a_users_session_lasts_15_minutes_to_36_hours(person: Person, seconds: int, accepted: bool) -> None:
    if accepted:
        ends = person.session(DurationSeconds=seconds).expires_at
        assert ends is not None
        assert abs((ends - person.account.clock.now()).total_seconds() - seconds) < 60
    else:
        assert refused(lambda: person.session(DurationSeconds=seconds)) == "ValidationError"


def test_a_client_without_validation_gets_no_shorter_session(person: Person) -> None:
    unchecked = Config(parameter_validation=False)
    sts = person.account.session(person.key).client("sts", endpoint_url=person.account.endpoint, config=unchecked)
    assert refused(lambda: sts.get_session_token(DurationSeconds=899)) == "ValidationError"


@pytest.mark.parametrize(("seconds", "accepted"), [(3_600, True), (3_601, False)])
def test_a_session_of_root_lasts_one_hour_at_most(account: LocalAccount, seconds: int, accepted: bool) -> None:
    sts = root(account).any("sts")
    if accepted:
        assert sts.get_session_token(DurationSeconds=seconds)
    else:
        assert refused(lambda: sts.get_session_token(DurationSeconds=seconds)) == "ValidationError"


def test_root_can_list_the_device_that_it_enabled(account: LocalAccount) -> None:
    iam, serial = root(account).iam, f"arn:aws:iam::{ACCOUNT}:mfa/root-account-mfa-device"
    assert iam.list_mfa_devices()["MFADevices"] == []
    seed = new_device(account, serial)
    first, second = code(account, seed, -30), code(account, seed)
    iam.enable_mfa_device(
        UserName=ROOT_NAME, SerialNumber=serial, AuthenticationCode1=first, AuthenticationCode2=second
    )
    assert [each["SerialNumber"] for each in iam.list_mfa_devices()["MFADevices"]] == [serial]


def test_a_session_cannot_create_a_session(person: Person) -> None:
    sts = with_credentials(person.account, person.session()).any("sts")
    assert refused(sts.get_session_token) == "AccessDenied"


def test_root_cannot_assume_a_role(account: LocalAccount) -> None:
    sts = root(account).any("sts")
    assert refused(lambda: sts.assume_role(RoleArn=ROLE, RoleSessionName="me")) == "AccessDenied"


def test_a_role_that_does_not_exist_is_refused(person: Person) -> None:
    sts = person.clients.any("sts")
    assert refused(lambda: sts.assume_role(RoleArn=f"{ROLE}er", RoleSessionName="me")) == "AccessDenied"


def test_a_role_that_is_assumed_by_a_role_lasts_one_hour_at_most(person: Person) -> None:
    first = credentials_in(person.clients.any("sts").assume_role(RoleArn=ROLE, RoleSessionName="me"))
    sts = with_credentials(person.account, first).any("sts")
    longer = {"RoleArn": ROLE, "RoleSessionName": "me", "DurationSeconds": 3_601}
    assert refused(lambda: sts.assume_role(**longer)) == "ValidationError"
    assert person.clients.any("sts").assume_role(**longer)


# Identities


def test_every_caller_gets_its_identity(person: Person) -> None:
    account = person.account
    user_id = account.iam.users[person.name].id
    role_id = next(role.id for role in account.iam.roles.values() if role.name == "Deploy")
    assumed = credentials_in(person.clients.any("sts").assume_role(RoleArn=ROLE, RoleSessionName="me"))
    with_mfa = person.session(SerialNumber=person.serial, TokenCode=person.code())
    user = (user_id, f"arn:aws:iam::{ACCOUNT}:user/{person.name}")
    expected = [
        (person.clients, user),
        (with_credentials(account, with_mfa), user),
        (root(account), (ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root")),
        (with_credentials(account, assumed), (f"{role_id}:me", f"arn:aws:sts::{ACCOUNT}:assumed-role/Deploy/me")),
    ]
    for clients, (who, arn) in expected:
        answer = clients.any("sts").get_caller_identity()
        assert (answer["UserId"], answer["Account"], answer["Arn"]) == (who, ACCOUNT, arn)


def mfa_authenticated(record: Mapping[str, object]) -> object:
    context = record["userIdentity"].get("sessionContext")  # type: ignore[attr-defined]
    return context["attributes"]["mfaAuthenticated"] if context else None


def test_records_say_whether_there_was_a_code(person: Person, held: list[tuple[Fields, Caller]]) -> None:
    account, sts = person.account, person.clients.any("sts")
    with_code = {"SerialNumber": person.serial, "TokenCode": person.code()}
    mfa = person.session(**with_code)
    in_between = with_credentials(account, mfa).any("sts").assume_role(RoleArn=ROLE, RoleSessionName="me")
    sessions = [
        (person.key, None),
        (person.session(), "false"),
        (mfa, "true"),
        (credentials_in(sts.assume_role(RoleArn=ROLE, RoleSessionName="me")), "false"),
        (credentials_in(in_between), "true"),
    ]
    for session, _ in sessions:
        with_credentials(account, session).iam.tag_user(UserName=person.name, Tags=[{"Key": "k", "Value": "v"}])
    assert [mfa_authenticated(record) for record in records(held)] == [expected for _, expected in sessions]
    keys = [record["userIdentity"]["accessKeyId"] for record in records(held)]  # type: ignore[index]
    assert keys == [session.key_id for session, _ in sessions]


# Requests that are not calls


def ask(account: LocalAccount, method: str, path: str, *, host: str = "", body: str = "") -> tuple[int, str]:
    """Return the status and the text of an answer to an unsigned request."""
    port = int(account.endpoint.rpartition(":")[2])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {"Host": host or f"localhost:{port}", "Content-Type": "application/x-www-form-urlencoded"}
    connection.request(method, path, body or None, headers)
    response = connection.getresponse()
    answer = response.status, response.read().decode("utf-8", "replace")
    connection.close()
    return answer


@pytest.mark.parametrize(
    "host", ["evil.example.com", "evil.example.com:4747", "localhost.evil.example.com", "10.0.0.1"]
)
@pytest.mark.parametrize("path", ["/", "/_mfa-guard/", "/_mfa-guard/state"])
def test_another_host_name_cannot_reach_the_account(account: LocalAccount, host: str, path: str) -> None:
    assert ask(account, "GET", path, host=host)[0] == 421


@pytest.mark.parametrize("path", ["/moto-api/reset", "/moto-api/data.json", "/moto-api/"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_interface_of_moto_cannot_be_reached(account: LocalAccount, method: str, path: str) -> None:
    assert ask(account, method, path)[0] == 404
    assert account.iam.users


def test_a_call_that_no_rule_matches_is_answered_and_mentioned_once(
    account: LocalAccount, recorder: Recorder, held: list[object]
) -> None:
    carol = administrator(account)
    for number in range(2):
        carol.any("logs").create_log_group(logGroupName=f"group-{number}")
        carol.any("s3").create_bucket(Bucket=f"a-bucket-{number}")
        carol.iam.create_instance_profile(InstanceProfileName=f"profile-{number}")
    for name in ("logs:CreateLogGroup", "s3", "iam:CreateInstanceProfile"):
        assert recorder.messages.count(f"{name} is not recorded, because no rule of the stack matches it.") == 1
    assert held == []


def test_reading_is_neither_recorded_nor_mentioned(
    account: LocalAccount, recorder: Recorder, held: list[object]
) -> None:
    before = len(recorder.messages)
    carol = administrator(account)
    carol.iam.list_users()
    carol.iam.get_account_summary()
    carol.any("s3").list_buckets()
    carol.any("cloudwatch").describe_alarms()
    assert (held, recorder.messages[before:]) == ([], [])


def test_an_error_in_the_gateway_is_an_answer_and_is_reported(account: LocalAccount) -> None:
    def fail(_call: Call, _caller: Caller) -> None:
        raise RuntimeError("the test failed here")

    before = account.gateway.intercept
    account.gateway.intercept = fail
    try:
        with pytest.raises(ClientError) as error:
            administrator(account).any("events").list_rules()
    finally:
        account.gateway.intercept = before
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert [trace.strip().splitlines()[-1] for trace in account.failures] == ["RuntimeError: the test failed here"]
    account.failures.clear()


def test_a_function_can_make_only_the_calls_that_its_role_allows(
    account: LocalAccount, stack: Stack, held: list[object]
) -> None:
    role = str(stack.resolve({"Fn::GetAtt": ["AlertFunctionRole", "Arn"]}))
    function = acting_as(account, account.callers.role_session(role, "alert", function="AlertFunction"))
    exemptions = stack.physical_id("ExemptionsTable")
    state = stack.physical_id("StateTable")
    assert function.dynamodb.get_item(TableName=state, Key={"id": {"S": "x"}})
    assert function.any("sts").get_caller_identity()
    for act in (
        function.iam.list_users,
        lambda: function.iam.attach_user_policy(UserName="carol", PolicyArn=EVERYTHING),
        lambda: function.dynamodb.scan(TableName=exemptions),
        lambda: function.any("lambda").list_functions(),
        lambda: function.any("cloudwatch").describe_alarms(),
    ):
        assert refused(act).startswith("AccessDenied")
    assert account.iam.users["carol"].managed_policies == {}
    assert held == []


@pytest.mark.parametrize("protocol", ["json", "smithy-rpc-v2-cbor", "query"])
def test_calls_to_cloudwatch_are_read_answered_and_refused_in_each_protocol(
    account: LocalAccount, held: list[tuple[Fields, Caller]], monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    # Versions of botocore differ in the protocol that they prefer.
    monkeypatch.setattr("botocore.model.PRIORITY_ORDERED_SUPPORTED_PROTOCOLS", (protocol,))
    cloudwatch = administrator(account).any("cloudwatch")
    alarms = cloudwatch.describe_alarms(AlarmNames=["mfa-guard-heartbeat"])["MetricAlarms"]
    assert isinstance(alarms, list)
    assert [(alarm["AlarmName"], alarm["EvaluationPeriods"]) for alarm in alarms] == [("mfa-guard-heartbeat", 3)]
    missing = {"AlarmName": "mfa-guard-none", "StateValue": "OK", "StateReason": "r"}
    assert refused(lambda: cloudwatch.set_alarm_state(**missing)).startswith("ResourceNotFound")
    recorded = [(record["eventName"], str(record["errorCode"])[:16]) for record in records(held)]
    assert recorded == [("SetAlarmState", "ResourceNotFound")]


def test_calls_in_rest_are_read_answered_and_refused(account: LocalAccount, held: list[tuple[Fields, Caller]]) -> None:
    scheduler = administrator(account).any("scheduler")
    assert scheduler.get_schedule(Name="mfa-guard-sweep")["State"] == "ENABLED"
    assert refused(lambda: scheduler.delete_schedule(Name="none")) == "ResourceNotFoundException"
    [record] = records(held)
    assert (record["eventName"], record["errorCode"]) == ("DeleteSchedule", "ResourceNotFoundException")


def test_what_a_caller_writes_stays_text(person: Person, held: list[tuple[Fields, Caller]]) -> None:
    sts = person.clients.any("sts")
    session = credentials_in(sts.assume_role(RoleArn=ROLE, RoleSessionName=HOSTILE))
    iam = person.account.session(session).client(
        "iam", endpoint_url=person.account.endpoint, config=Config(user_agent=HOSTILE)
    )
    iam.tag_user(UserName=person.name, Tags=[{"Key": HOSTILE[:100], "Value": HOSTILE}])
    [record] = records(held)
    identity, request = record["userIdentity"], record["requestParameters"]
    assert isinstance(identity, Mapping)
    assert identity["arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/Deploy/{HOSTILE}"
    assert str(record["userAgent"]).startswith(HOSTILE)
    assert json.loads(json.dumps(request)) == {"userName": person.name, "tags": [{"key": HOSTILE, "value": HOSTILE}]}


def test_threads_lose_no_record(account: LocalAccount, held: list[tuple[Fields, Caller]]) -> None:
    names = {f"user-{number}" for number in range(80)}

    def create(group: list[str]) -> None:
        iam = administrator(account).iam
        for name in group:
            iam.create_user(UserName=name)

    ordered = sorted(names)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(create, [ordered[start::8] for start in range(8)]))
    recorded = [(record["requestParameters"], record["responseElements"]) for record in records(held)]
    assert {request["userName"] for request, _ in recorded} == names  # type: ignore[index]
    assert len(recorded) == len(names)
    assert all(request["userName"] == response["user"]["userName"] for request, response in recorded)  # type: ignore[index]
    assert len({record["eventID"] for record in records(held)}) == len(names)


def test_calls_at_the_same_time_reach_moto_one_after_the_other(
    account: LocalAccount, held: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record describes the state after its call."""
    moto, inside, most = account.gateway.app, threading.Semaphore(0), []

    def slow(environ: "WSGIEnvironment", start_response: "StartResponse") -> "Iterable[bytes]":
        inside.release()
        most.append(inside._value)
        time.sleep(0.02)
        answered = moto(environ, start_response)
        inside.acquire()
        return answered

    monkeypatch.setattr(account.gateway, "app", slow)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: administrator(account).iam.create_user(UserName=f"queue-{n}"), range(8)))
    assert (most, len(held)) == ([1] * 8, 8)
