"""Who calls, and where the console is for them."""

import pytest

from mfa_guard_cli.user.identity import Principal, identity


@pytest.mark.parametrize(
    ("arn", "principal", "name"),
    [
        ("arn:aws:iam::111122223333:user/alice", Principal.USER, "alice"),
        ("arn:aws-cn:iam::111122223333:user/division/team/alice", Principal.USER, "alice"),
        ("arn:aws:iam::111122223333:user/alice@example.com", Principal.USER, "alice@example.com"),
        ("arn:aws:iam::111122223333:root", Principal.ROOT, "root"),
        ("arn:aws:sts::111122223333:assumed-role/Deployer/alice", Principal.ROLE, "Deployer"),
        ("arn:aws:sts::111122223333:federated-user/alice", Principal.FEDERATED, "alice"),
        ("arn:aws:sts::111122223333:something/new", Principal.OTHER, "new"),
        ("nonsense", Principal.OTHER, ""),
    ],
)
def test_an_arn_says_who_calls(arn: str, principal: Principal, name: str) -> None:
    caller = identity(arn)
    assert (caller.principal, caller.name) == (principal, name)


@pytest.mark.parametrize(
    ("partition", "page", "sign_in"),
    [
        ("aws", "https://console.aws.amazon.com/", "https://111122223333.signin.aws.amazon.com/console"),
        ("aws-cn", "https://console.amazonaws.cn/", "https://111122223333.signin.amazonaws.cn/console"),
        (
            "aws-us-gov",
            "https://console.amazonaws-us-gov.com/",
            "https://111122223333.signin.amazonaws-us-gov.com/console",
        ),
    ],
)
def test_links_lead_to_the_console_of_the_partition(partition: str, page: str, sign_in: str) -> None:
    caller = identity(f"arn:{partition}:iam::111122223333:user/alice")
    assert caller.security_page == f"{page}iam/home#/security_credentials"
    assert caller.sign_in_page == sign_in
