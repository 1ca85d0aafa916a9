"""Settings come from the environment, and an error names the wrong variable."""

import pytest

from mfa_guard.core.attachments import AttachmentRoute
from mfa_guard.core.settings import EnforceOn, Mode, SettingsError, WorkingMachineUsers, parse_settings

GOOD = {
    "MODE": "all",
    "ENFORCE_THROUGH": "group",
    "ENFORCE_ON": "console",
    "WORKING_MACHINE_USERS": "enforce",
    "EXEMPT_PATH_PREFIXES": "/service/, /bots/ci/",
    "DEACTIVATE_KEYS_AFTER_DAYS": "30",
    "HELP_URL": "https://wiki.example.com/mfa",
    "ENFORCEMENT_POLICY_ARN": "arn:aws-cn:iam::111122223333:policy/P",
    "ENFORCEMENT_GROUP_NAME": "g",
    "NOTICES_TOPIC_ARN": "arn:aws-cn:sns:cn-north-1:111122223333:n",
    "OPERATIONS_TOPIC_ARN": "arn:aws-cn:sns:cn-north-1:111122223333:o",
    "STATE_TABLE_NAME": "s",
    "EXEMPTIONS_TABLE_NAME": "e",
    "SUMMARY_QUEUE_URL": "https://sqs.cn-north-1.amazonaws.com.cn/111122223333/q",
}


def test_every_setting_is_read() -> None:
    chosen = parse_settings(GOOD)
    assert (chosen.mode, chosen.enforce_through, chosen.enforce_on) == (
        Mode.ALL,
        AttachmentRoute.GROUP,
        EnforceOn.CONSOLE,
    )
    assert chosen.working_machine_users is WorkingMachineUsers.ENFORCE
    assert chosen.exempt_path_prefixes == ("/service/", "/bots/ci/")
    assert chosen.deactivate_keys_after_days == 30
    assert (chosen.account, chosen.partition, chosen.region) == ("111122223333", "aws-cn", "cn-north-1")
    assert (chosen.state_table, chosen.exemptions_table, chosen.group_name) == ("s", "e", "g")
    assert chosen.summary_queue_url == GOOD["SUMMARY_QUEUE_URL"]


def test_the_stacks_name_is_read_and_has_a_default() -> None:
    assert parse_settings(GOOD).stack_name == "mfa-guard"
    assert parse_settings(GOOD | {"STACK_NAME": "guard-2"}).stack_name == "guard-2"


@pytest.mark.parametrize("name", sorted(set(GOOD) - {"EXEMPT_PATH_PREFIXES", "HELP_URL", "DEACTIVATE_KEYS_AFTER_DAYS"}))
@pytest.mark.parametrize("broken", [None, ""])
def test_a_missing_variable_is_named(name: str, broken: str | None) -> None:
    environment = {key: value for key, value in GOOD.items() if key != name}
    if broken is not None:
        environment[name] = broken
    with pytest.raises(SettingsError, match=name):
        parse_settings(environment)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MODE", "Audit"),
        ("ENFORCE_ON", "some"),
        ("NOTICES_TOPIC_ARN", "notices"),
        ("ENFORCEMENT_POLICY_ARN", "arn:aws:iam"),
        ("EXEMPT_PATH_PREFIXES", "/"),
        ("EXEMPT_PATH_PREFIXES", "/ok/,/svc"),
        ("EXEMPT_PATH_PREFIXES", "svc/"),
        ("DEACTIVATE_KEYS_AFTER_DAYS", "-1"),
        ("DEACTIVATE_KEYS_AFTER_DAYS", "soon"),
    ],
)
def test_a_wrong_variable_is_named_with_its_value(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        parse_settings(GOOD | {name: value})


def test_a_prefix_exempts_the_folder_and_what_is_below_and_nothing_beside_it() -> None:
    chosen = parse_settings(GOOD | {"EXEMPT_PATH_PREFIXES": "/svc/"})
    assert chosen.exempt_path("/svc/") == "/svc/"
    assert chosen.exempt_path("/svc/ci/") == "/svc/"
    assert chosen.exempt_path("/svc-people/") is None
    assert chosen.exempt_path("/") is None


def test_only_audit_writes_nothing() -> None:
    assert [mode for mode in Mode if not parse_settings(GOOD | {"MODE": mode.value}).writes] == [Mode.AUDIT]
