"""User names are checked before they become part of a request."""

import pytest

from mfa_guard_cli.admin.guard import check_user_name
from mfa_guard_cli.common.errors import WrongUse


@pytest.mark.parametrize("name", ["alice", "alice@example.com", "a+b=c,d.e-f_g", "-rf", "x" * 64])
def test_a_name_that_iam_allows_is_accepted(name: str) -> None:
    assert check_user_name(name) == name


@pytest.mark.parametrize("name", ["", "x" * 65, "a b", "a/b", "a\n", "é", "$(id)", "a'b"])
def test_a_name_that_iam_does_not_allow_is_refused(name: str) -> None:
    with pytest.raises(WrongUse, match="is not a valid IAM user name"):
        check_user_name(name)
