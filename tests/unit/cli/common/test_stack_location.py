"""Commands for the user to paste find the same stack again."""

from mfa_guard_cli.common.stack_location import StackLocation


def test_a_command_does_not_repeat_what_the_configuration_decides() -> None:
    assert StackLocation(None, None, "mfa-guard").command("release", "alice") == "mfa-guard release alice"


def test_a_command_repeats_where_the_stack_is() -> None:
    location = StackLocation("prod account", "us-gov-west-1", "guard-2")
    assert location.command("exempt", "remove", "alice") == (
        "mfa-guard exempt remove alice --stack guard-2 --region us-gov-west-1 --profile 'prod account'"
    )


def test_a_name_that_looks_like_an_option_stays_a_name() -> None:
    location = StackLocation(None, None, "guard-2")
    assert location.command("release", "-rf") == "mfa-guard release --stack guard-2 -- -rf"
