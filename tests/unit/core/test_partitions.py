"""The partitions' regions and host names."""

import pytest

from mfa_guard.core.mail.console_urls import console_url, sign_in_url
from mfa_guard.core.partitions import partition_named, partition_of


@pytest.mark.parametrize(
    ("region", "partition", "home_region"),
    [
        ("eu-west-1", "aws", "us-east-1"),
        ("us-gov-east-1", "aws-us-gov", "us-gov-west-1"),
        ("cn-northwest-1", "aws-cn", "cn-north-1"),
        ("", "aws", "us-east-1"),
    ],
)
def test_a_region_has_a_partition_and_a_home_region(region: str, partition: str, home_region: str) -> None:
    found = partition_of(region)
    assert (found.name, found.home_region) == (partition, home_region)


@pytest.mark.parametrize(
    ("partition", "suffix", "console", "sign_in"),
    [
        ("aws", "amazonaws.com", "console.aws.amazon.com", "signin.aws.amazon.com"),
        ("aws-cn", "amazonaws.com.cn", "console.amazonaws.cn", "signin.amazonaws.cn"),
        ("aws-us-gov", "amazonaws.com", "console.amazonaws-us-gov.com", "signin.amazonaws-us-gov.com"),
        ("aws-unknown", "amazonaws.com", "console.aws.amazon.com", "signin.aws.amazon.com"),
    ],
)
def test_a_partition_has_host_names(partition: str, suffix: str, console: str, sign_in: str) -> None:
    assert partition_named(partition).dns_suffix == suffix
    assert console_url(partition, "iam/home") == f"https://{console}/iam/home"
    assert sign_in_url(partition, "111122223333") == f"https://111122223333.{sign_in}/console"
