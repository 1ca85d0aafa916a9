"""Requests from CloudFormation, the URLs where a response may go, and the responses."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfa_guard.core.custom_resource import (
    Request,
    RequestNotUnderstood,
    RequestType,
    Response,
    StackId,
    Status,
    parse_request,
    parse_stack_id,
)
from mfa_guard.core.settings import SettingsError
from support.factories import NOW
from support.teardown import STACK, URL, request, request_event

BUCKET = "cloudformation-custom-resource-response-useast1"
HOST = f"{BUCKET}.s3.us-east-1.amazonaws.com"


def stack_in(partition: str, region: str) -> StackId:
    return StackId(f"arn:{partition}:cloudformation:{region}:111122223333:stack/mfa-guard/0a1b2c3d")


def asked(url: str, own: StackId = STACK) -> Request:
    return parse_request(request_event(ResponseURL=url, StackId=own.arn), own)


class TestResponseUrl:
    @pytest.mark.parametrize(
        ("partition", "region", "host"),
        [
            ("aws", "us-east-1", f"{BUCKET}.s3.us-east-1.amazonaws.com"),
            ("aws", "us-east-1", f"{BUCKET}.s3-us-east-1.amazonaws.com"),
            ("aws", "us-east-1", f"{BUCKET}.s3.amazonaws.com"),
            (
                "aws-us-gov",
                "us-gov-west-1",
                "cloudformation-custom-resource-response-usgovwest1.s3.us-gov-west-1.amazonaws.com",
            ),
            (
                "aws-us-gov",
                "us-gov-west-1",
                "cloudformation-custom-resource-response-usgovwest1.s3-us-gov-west-1.amazonaws.com",
            ),
            ("aws-cn", "cn-north-1", "cloudformation-custom-resource-response-cnnorth1.s3.cn-north-1.amazonaws.com.cn"),
        ],
    )
    def test_the_bucket_of_the_stacks_region_is_cloudformations(self, partition: str, region: str, host: str) -> None:
        url = f"https://{host}/arn%3Aaws%3Acloudformation%7CRelease%7Cid?X-Amz-Signature=0"
        assert asked(url, stack_in(partition, region)).response_url == url

    @pytest.mark.parametrize(
        "url",
        [
            f"http://{HOST}/x",
            f"HTTPS+file://{HOST}/x",
            f"file://{HOST}/x",
            f"ftp://{HOST}/x",
            f"//{HOST}/x",
            HOST,
            f"https:{HOST}/x",
            f"https:///{HOST}/x",
            f"https://{HOST}:443/x",
            f"https://{HOST}:8443/x",
            f"https://{HOST}:/x",
            f"https://user@{HOST}/x",
            f"https://{HOST}@example.com/x",
            f"https://{HOST}:x@example.com/x",
            f"https://example.com/{HOST}",
            f"https://example.com?{HOST}",
            f"https://example.com#@{HOST}/x",
            f"https://example.com\\@{HOST}/x",
            f"https://{HOST}\\.example.com/x",
            f"https://{HOST}.example.com/x",
            f"https://{HOST}./x",
            f"https://evil-{HOST}/x",
            f"https://{BUCKET}-evil.s3.us-east-1.amazonaws.com/x",
            f"https://{BUCKET}.evil.s3.us-east-1.amazonaws.com/x",
            "https://cloudformation-custom-resource-response-evil.s3.us-east-1.amazonaws.com/x",
            "https://cloudformation-custom-resource-response-euwest1.s3.eu-west-1.amazonaws.com/x",
            f"https://s3.us-east-1.amazonaws.com/{BUCKET}/x",
            f"https://{BUCKET}.s3.us-east-1.amazonaws.com.cn/x",
            f"https://{HOST}\n/x",
            f"https://{HOST}/x\r\nHost: example.com",
            f"https://{HOST}/a b",
            f"https://{HOST}/\u00e4",
            f"https://{BUCKET}.s\u0663.us-east-1.amazonaws.com/x",
            f"https://{BUCKET}\u3002s3.us-east-1.amazonaws.com/x",
            "https://[::1]/x",
            "https://[/x",
            "https://169.254.169.254/latest/meta-data",
        ],
    )
    def test_any_other_url_is_refused(self, url: str) -> None:
        with pytest.raises(RequestNotUnderstood, match="does not belong to CloudFormation"):
            asked(url)

    def test_the_global_name_is_refused_in_another_partition(self) -> None:
        with pytest.raises(RequestNotUnderstood):
            asked(
                "https://cloudformation-custom-resource-response-usgovwest1.s3.amazonaws.com/x",
                stack_in("aws-us-gov", "us-gov-west-1"),
            )

    @given(st.text(max_size=60))
    def test_any_url_is_refused_or_at_cloudformations_host(self, text: str) -> None:
        for url in (text, f"https://{text}", f"https://{HOST}{text}"):
            try:
                parsed = asked(url)
            except RequestNotUnderstood:
                continue
            assert parsed.response_url.startswith(tuple(f"https://{host}" for host in STACK.response_hosts))
            assert parsed.response_url.removeprefix(f"https://{HOST}")[:1] in {"", "/", "?", "#"}

    def test_a_refusal_does_not_show_the_url(self) -> None:
        with pytest.raises(RequestNotUnderstood) as refused:
            asked("https://example.com/x?X-Amz-Signature=a-secret")
        assert "secret" not in str(refused.value)


class TestRequest:
    def test_it_has_the_type_and_the_resource(self) -> None:
        parsed = request("Update", PhysicalResourceId="made-by-an-older-version")
        assert (parsed.type, parsed.id) == (RequestType.UPDATE, "request-1")
        assert (parsed.logical_id, parsed.physical_id) == ("Teardown", "made-by-an-older-version")

    def test_a_new_resource_is_named_after_its_logical_id(self) -> None:
        assert request("Create").physical_id == "Teardown"

    @pytest.mark.parametrize(
        "field", ["RequestType", "ResponseURL", "StackId", "RequestId", "LogicalResourceId", "PhysicalResourceId"]
    )
    @pytest.mark.parametrize("value", [None, "", 1, ["x"]])
    def test_a_missing_field_is_named(self, field: str, value: object) -> None:
        with pytest.raises(RequestNotUnderstood, match=field):
            parse_request({**request_event(), field: value}, STACK)

    @pytest.mark.parametrize("event", [None, [], "x", {}])
    def test_what_is_no_request_is_refused(self, event: object) -> None:
        with pytest.raises(RequestNotUnderstood):
            parse_request(event, STACK)

    def test_a_type_that_cloudformation_does_not_have_is_refused(self) -> None:
        with pytest.raises(RequestNotUnderstood, match="'Delete me'"):
            parse_request(request_event("Delete me"), STACK)

    def test_another_stacks_request_is_refused(self) -> None:
        other = STACK.arn.replace("0a1b2c3d", "9f8e7d6c")
        with pytest.raises(RequestNotUnderstood, match="another stack"):
            parse_request(request_event(StackId=other), STACK)

    def test_the_url_is_a_secret_that_no_repr_shows(self) -> None:
        assert "a-secret" not in repr(request())
        assert "s3" not in repr(request())


class TestWhenItBegan:
    SIGNED = f"{URL}&X-Amz-Date=20260301T115900Z"

    def test_the_url_says_when_it_was_signed(self) -> None:
        assert asked(self.SIGNED).began == datetime(2026, 3, 1, 11, 59, tzinfo=UTC)

    @pytest.mark.parametrize("query", ["", "&X-Amz-Date=", "&X-Amz-Date=yesterday", "&Expires=1772366400"])
    def test_without_a_time_in_the_url_the_beginning_is_unknown(self, query: str) -> None:
        assert asked(URL + query).began is None

    def test_the_time_that_the_function_passed_to_itself_comes_first(self) -> None:
        relayed = asked(self.SIGNED).continued(NOW)
        assert parse_request(relayed, STACK).began == NOW

    @pytest.mark.parametrize("value", [None, 5, "soon"])
    def test_a_beginning_that_cannot_be_read_is_none(self, value: object) -> None:
        assert request(MfaGuardBeganAt=value).began is None

    def test_a_continuation_keeps_the_request(self) -> None:
        event = request_event()
        relayed = request().continued(NOW)
        assert dict(relayed) == {**event, "MfaGuardBeganAt": "2026-03-01T12:00:00Z"}


class TestResponse:
    def test_it_repeats_the_ids_of_the_request(self) -> None:
        body = json.loads(request(PhysicalResourceId="old").body(Response(Status.SUCCESS, "Done.")))
        assert body == {
            "Status": "SUCCESS",
            "Reason": "Done.",
            "PhysicalResourceId": "old",
            "StackId": STACK.arn,
            "RequestId": "request-1",
            "LogicalResourceId": "Teardown",
        }

    @given(st.text(max_size=6000))
    def test_it_fits_into_4096_bytes_whatever_the_reason(self, reason: str) -> None:
        parsed = request(PhysicalResourceId="p" * 1024, RequestId="r" * 36, LogicalResourceId="l" * 255)
        body = parsed.body(Response(Status.FAILED, reason))
        assert len(body) <= 4096
        shown = json.loads(body)["Reason"]
        assert len(shown) <= 1000
        assert shown.isascii()

    def test_a_reason_that_is_cut_ends_with_dots(self) -> None:
        assert json.loads(request().body(Response(Status.FAILED, '"' * 2000)))["Reason"].endswith('"...')


class TestOwnStack:
    def test_it_comes_from_the_environment(self) -> None:
        own = parse_stack_id({"STACK_ID": STACK.arn})
        assert (own.arn, own.partition, own.region) == (STACK.arn, "aws", "us-east-1")

    @pytest.mark.parametrize(
        "environment", [{}, {"STACK_ID": ""}, {"STACK_ID": "mfa-guard"}, {"STACK_ID": "arn:aws:x"}]
    )
    def test_without_it_the_variable_is_named(self, environment: dict[str, str]) -> None:
        with pytest.raises(SettingsError, match="STACK_ID"):
            parse_stack_id(environment)
