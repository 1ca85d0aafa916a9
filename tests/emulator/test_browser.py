"""The page of a running account in a browser: it shows what the guard does.

MFA_GUARD_SCREENSHOT=docs/local.png takes the picture for docs/local.md.
"""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from botocore.config import Config
from playwright.sync_api import Browser, Dialog, Page, expect
from pyotp import TOTP

from mfa_guard_cli.stack.template import load_template
from mfa_guard_emulator.account import AccountConfig, LocalAccount, run_account
from mfa_guard_emulator.console.pages import Pages
from mfa_guard_emulator.console.terminal import PARAMETERS
from mfa_guard_emulator.endpoint import ADMINISTRATOR_KEY, PAGE_PATH, Credentials
from support.browser import open_browser

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_sts import STSClient

HOSTILE: Final = "<img src=x onerror=alert(1)><script>alert(2)</script>"
# The name of a session cannot contain angle brackets.
SESSION: Final = "mallory=,.@script-alert"
TRUST: Final = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}'
)
# The client of a real caller names the machine.
AGENT: Final = "aws-cli/2.31.9"
SCREENSHOT: Final = os.environ.get("MFA_GUARD_SCREENSHOT", "")
PASSWORD: Final = "Not-a-real-passw0rd"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # The browser comes before the account, which is not needed without a browser.
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def account(browser: Browser) -> Iterator[LocalAccount]:  # noqa: ARG001
    stack = load_template().render(parameters=PARAMETERS)
    with run_account(AccountConfig(stack, pages=Pages, create_custom_resource=False)) as running:
        yield running


@pytest.fixture
def page(browser: Browser, account: LocalAccount) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    opened = context.new_page()
    alarms: list[str] = []

    def dialog_opened(dialog: Dialog) -> None:
        alarms.append(dialog.message)
        dialog.dismiss()

    opened.on("dialog", dialog_opened)
    opened.on("pageerror", lambda error: alarms.append(str(error)))
    opened.goto(account.endpoint + PAGE_PATH)
    yield opened
    context.close()
    assert alarms == []


def clients(account: LocalAccount, credentials: Credentials, agent: str = "") -> "tuple[IAMClient, STSClient]":
    session = account.session(credentials)
    config = Config(user_agent=agent or None, retries={"total_max_attempts": 1})
    return (
        session.client("iam", endpoint_url=account.endpoint, config=config),
        session.client("sts", endpoint_url=account.endpoint, config=config),
    )


def test_alice_appears_as_noncompliant_and_then_as_compliant(account: LocalAccount, page: Page) -> None:
    carol, _ = clients(account, ADMINISTRATOR_KEY, AGENT)
    alice_row = page.locator("tr[data-user=alice]")
    expect(alice_row).to_have_count(0)

    carol.create_user(UserName="alice")
    carol.create_login_profile(UserName="alice", Password=PASSWORD)
    expect(page.locator("tr[data-user=alice][data-standing=noncompliant][data-enforced=user]")).to_be_visible()
    expect(page.locator(".mail .line").first).to_contain_text("alice")

    key = carol.create_access_key(UserName="alice")["AccessKey"]
    alice, _ = clients(account, Credentials(key["AccessKeyId"], key["SecretAccessKey"]), AGENT)
    made = alice.create_virtual_mfa_device(VirtualMFADeviceName="alice-phone")["VirtualMFADevice"]
    codes, moment = TOTP(made["Base32StringSeed"].decode()), datetime.now(UTC)
    alice.enable_mfa_device(
        UserName="alice",
        SerialNumber=made["SerialNumber"],
        AuthenticationCode1=codes.at(moment - timedelta(seconds=30)),
        AuthenticationCode2=codes.at(moment),
    )
    expect(page.locator("tr[data-user=alice][data-standing=compliant][data-enforced=user]")).to_be_visible()
    expect(alice_row).to_contain_text("alice-phone")
    if SCREENSHOT:
        page.locator(".mail").first.wait_for()
        # Until nothing flashes.
        page.wait_for_timeout(2500)
        page.screenshot(path=Path(SCREENSHOT))


def test_what_callers_write_stays_text(account: LocalAccount, page: Page) -> None:
    carol, _ = clients(account, ADMINISTRATOR_KEY)
    carol.create_role(RoleName="Visitor", AssumeRolePolicyDocument=TRUST)
    key = carol.create_access_key(UserName="carol")["AccessKey"]
    _, sts = clients(account, Credentials(key["AccessKeyId"], key["SecretAccessKey"]))
    role = f"arn:aws:iam::{account.stack.account}:role/Visitor"
    assumed = sts.assume_role(RoleArn=role, RoleSessionName=SESSION)["Credentials"]
    visitor = Credentials(assumed["AccessKeyId"], assumed["SecretAccessKey"], assumed["SessionToken"])
    mallory, _ = clients(account, visitor, HOSTILE)
    mallory.create_user(UserName="victim")
    mail = page.locator(".mail", has_text="victim").first
    expect(mail).to_be_visible()
    mail.locator("summary").click()
    expect(page.locator(".mail pre", has_text=SESSION).first).to_contain_text(HOSTILE)
    expect(page.locator(".entry", has_text=SESSION).first).to_be_visible()
    assert page.locator("img[src=x]").count() == 0
    assert page.locator("script:not([src])").count() == 0
