"""AWS's partitions: separate copies of AWS, each with its own regions and host names.

https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Partition:
    """One partition. The names of its regions begin with `region_prefix`; IAM's events arrive in `home_region` only."""

    name: str
    region_prefix: str
    home_region: str
    dns_suffix: str
    console_host: str
    sign_in_host: str


COMMERCIAL: Final = Partition(
    name="aws",
    region_prefix="",
    home_region="us-east-1",
    dns_suffix="amazonaws.com",
    console_host="console.aws.amazon.com",
    sign_in_host="signin.aws.amazon.com",
)
CHINA: Final = Partition(
    name="aws-cn",
    region_prefix="cn-",
    home_region="cn-north-1",
    dns_suffix="amazonaws.com.cn",
    console_host="console.amazonaws.cn",
    sign_in_host="signin.amazonaws.cn",
)
GOVCLOUD: Final = Partition(
    name="aws-us-gov",
    region_prefix="us-gov-",
    home_region="us-gov-west-1",
    dns_suffix="amazonaws.com",
    console_host="console.amazonaws-us-gov.com",
    sign_in_host="signin.amazonaws-us-gov.com",
)
PARTITIONS: Final = (COMMERCIAL, CHINA, GOVCLOUD)


def partition_named(name: str) -> Partition:
    """Return the partition with this name; for an unknown name, the commercial partition."""
    return next((each for each in PARTITIONS if each.name == name), COMMERCIAL)


def partition_of(region: str) -> Partition:
    """Return the partition that a region belongs to."""
    return next((each for each in (CHINA, GOVCLOUD) if region.startswith(each.region_prefix)), COMMERCIAL)
