"""What AlertFunction reads and counts, on moto: the stack's events, unassigned devices, counts, and known trails."""

from datetime import timedelta

import boto3
import pytest
from botocore.stub import Stubber

from mfa_guard.adapters.call_counts import CallCountTable
from mfa_guard.adapters.cloudformation import OwnStackEvents
from mfa_guard.adapters.trail_memory import TrailTable
from mfa_guard.adapters.virtual_devices import VirtualDevices
from mfa_guard.core.custom_resource import StackId
from mfa_guard.core.errors import AccessDenied, AwsRequestFailed
from mfa_guard.core.own_stack import StackEvent
from mfa_guard.core.trails import KnownTrails
from mfa_guard.runtime import clients
from mfa_guard_cli.stack.template import Stack
from support.account import Account
from support.aws import Faults
from support.factories import NOW
from support.fakes import FakeTelemetry

ARN = "arn:aws:cloudformation:us-east-1:111122223333:stack/mfa-guard/1"


def answer(minutes: int, token: str | None = None, **changes: object) -> dict[str, object]:
    """Return a page with one event that happened some minutes before NOW."""
    event = {"StackId": ARN, "EventId": "1", "StackName": "mfa-guard", "Timestamp": NOW - timedelta(minutes=minutes)}
    return {"StackEvents": [{**event, **changes}], **({"NextToken": token} if token else {})}


class TestStackEvents:
    def read(self, *pages: dict[str, object] | str, since: int = 15) -> list[StackEvent]:
        """Read the events of the last minutes from these pages; a text is an error code."""
        client = boto3.client(
            "cloudformation", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
        )
        with Stubber(client) as stub:
            token = None
            for page in pages:
                if isinstance(page, str):
                    stub.add_client_error("describe_stack_events", page, "no")
                    continue
                wanted = {"StackName": ARN, **({"NextToken": token} if token else {})}
                stub.add_response("describe_stack_events", page, wanted)
                token = page.get("NextToken")
            found = list(OwnStackEvents(client, StackId(ARN)).events(NOW - timedelta(minutes=since)))
            stub.assert_no_pending_responses()
        return found

    def test_an_event_is_read_with_its_resource(self) -> None:
        shown = {
            "LogicalResourceId": "Rule",
            "ResourceType": "AWS::Events::Rule",
            "ResourceStatus": "UPDATE_COMPLETE",
            "PhysicalResourceId": "mfa-guard-rule",
            "ResourceProperties": "{}",
        }
        assert self.read(answer(1, **shown)) == [
            StackEvent(
                NOW - timedelta(minutes=1), "Rule", "AWS::Events::Rule", "UPDATE_COMPLETE", "mfa-guard-rule", "{}"
            )
        ]
        assert self.read(answer(1)) == [StackEvent(NOW - timedelta(minutes=1), "", "", "", "", "")]

    def test_pages_are_read_back_to_the_time_and_no_further(self) -> None:
        assert len(self.read(answer(1, "2"), answer(15, "3"), answer(16, "4"))) == 3
        assert len(self.read(answer(1, "2"), answer(2))) == 2

    def test_a_page_without_events_does_not_end_the_reading(self) -> None:
        assert len(self.read({"StackEvents": [], "NextToken": "2"}, answer(1))) == 1

    def test_too_many_pages_are_an_error_and_not_the_end(self) -> None:
        with pytest.raises(AwsRequestFailed, match="more than 10 pages of events since 11:45:00 UTC"):
            self.read(*(answer(1, str(number)) for number in range(10)))

    @pytest.mark.parametrize(("code", "error"), [("AccessDenied", AccessDenied), ("Throttling", AwsRequestFailed)])
    def test_an_error_of_aws_is_raised(self, code: str, error: type[Exception]) -> None:
        with pytest.raises(error, match=code):
            self.read(answer(1, "2"), code)


class TestVirtualDevices:
    @pytest.mark.usefixtures("account")
    def test_only_devices_without_a_user_count_up_to_a_number(self) -> None:
        iam = boto3.client("iam")
        serials = [
            iam.create_virtual_mfa_device(VirtualMFADeviceName=f"phone{number}")["VirtualMFADevice"]["SerialNumber"]
            for number in range(4)
        ]
        iam.create_user(UserName="alice")
        iam.enable_mfa_device(
            UserName="alice", SerialNumber=serials[0], AuthenticationCode1="123456", AuthenticationCode2="654321"
        )
        devices = VirtualDevices(clients.iam())
        assert (devices.count(10), devices.count(3), devices.count(2)) == (3, 3, 2)

    def test_an_error_of_aws_is_raised(self, faults: Faults) -> None:
        faults.failing = {"ListVirtualMFADevices": "AccessDenied"}
        with pytest.raises(AccessDenied):
            VirtualDevices(clients.iam()).count(1)


class TestCalls:
    def test_each_key_has_its_count_and_expires(self, account: Account, stack: Stack) -> None:
        table = stack.physical_id("StateTable")
        counts = CallCountTable(clients.state_table(), table, FakeTelemetry())
        assert [counts.add(key, NOW) for key in ("burst#a", "burst#a", "burst#b")] == [1, 2, 1]
        item = account.clients.dynamodb.get_item(TableName=table, Key={"id": {"S": "burst#a"}})["Item"]
        assert item == {
            "id": {"S": "burst#a"},
            "calls": {"N": "2"},
            "expiration": {"N": str(int(NOW.timestamp()))},
        }

    def test_without_the_table_the_count_is_not_known(self, stack: Stack, faults: Faults) -> None:
        faults.failing = {"UpdateItem": "InternalServerError"}
        telemetry = FakeTelemetry()
        assert CallCountTable(clients.state_table(), stack.physical_id("StateTable"), telemetry).add("a", NOW) is None
        assert len(telemetry.lines) == 1


class TestTrails:
    KNOWN = KnownTrails(frozenset({"arn:one", "arn:two"}), frozenset({"arn:three"}), NOW)

    def test_what_a_sweep_saves_is_what_alert_function_loads(self, account: Account, stack: Stack) -> None:
        table = stack.physical_id("StateTable")
        trails = TrailTable(clients.state_table(), table, FakeTelemetry())
        assert trails.load() is None
        trails.save(self.KNOWN)
        assert trails.load() == self.KNOWN
        item = account.clients.dynamodb.get_item(TableName=table, Key={"id": {"S": "memory#trails"}})["Item"]
        assert int(item["expiration"]["N"]) == int((NOW + timedelta(days=30)).timestamp())

    def test_without_the_table_no_trail_is_known(self, stack: Stack, faults: Faults) -> None:
        faults.failing = {"GetItem": "InternalServerError", "PutItem": "InternalServerError"}
        telemetry = FakeTelemetry()
        trails = TrailTable(clients.state_table(), stack.physical_id("StateTable"), telemetry)
        trails.save(self.KNOWN)
        assert trails.load() is None
        assert len(telemetry.lines) == 2

    def test_a_time_that_no_sweep_wrote_is_no_memory(self, account: Account, stack: Stack) -> None:
        kept = {"S": '{"feeding": [], "others": [], "at": "soon"}'}
        table = stack.physical_id("StateTable")
        account.clients.dynamodb.put_item(TableName=table, Item={"id": {"S": "memory#trails"}, "kept": kept})
        assert TrailTable(clients.state_table(), table, FakeTelemetry()).load() is None
