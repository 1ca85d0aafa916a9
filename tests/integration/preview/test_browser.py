"""The page in a real browser: it makes no request, sorts by keyboard, and fits a phone.

MFA_GUARD_SCREENSHOT=docs/preview.png takes the picture for README.md.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from mfa_guard.core.settings import parse_settings
from mfa_guard_cli.preview.account_reader import AccountReader, identify_caller
from mfa_guard_cli.preview.forecast import predict
from mfa_guard_cli.preview.page import page
from mfa_guard_cli.stack.template import Stack
from mfa_guard_emulator.demo.population import populate
from support.account import open_account
from support.aws import Faults
from support.browser import open_browser
from support.fakes import FakeClock
from support.preview_command import Command

HOSTILE = "/\"><script>document.title='hit'</script><img/src=x/onerror=document.title='hit'>/"


@pytest.fixture(scope="module")
def source(stack: Stack) -> str:
    """Return the page of the demo's 200 users, three machine users in a path of their own, and a hostile path."""
    with open_account(stack) as account:
        populate(account)
        command = Command(account, Faults())
        for name in ("build", "deploy", "backup"):
            command.add_machine(f"ci-{name}", f"/machines/{name}/")
        account.iam.create_user("us-east-1", "eve", HOSTILE)
        settings = parse_settings(stack.environment("SweepFunction"))
        chosen = replace(settings, exempt_path_prefixes=("/partners/",))
        credentials = account.session.get_credentials()
        assert credentials is not None
        caller, _ = identify_caller(account.session.client("sts"), credentials.access_key)
        reader = AccountReader(account.clients.iam, chosen, FakeClock(account.clock.now()), lambda *_: None)
        return page(predict(reader.read(caller), chosen))


@pytest.fixture
def file(source: str, tmp_path: Path) -> Path:
    written = tmp_path / "page.html"
    written.write_text(source, "utf-8")
    return written


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


@dataclass
class Opened:
    """The page in a window, with its requests and errors."""

    page: Page
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def rows(self) -> list[str]:
        return self.page.locator("tbody tr:not([hidden]) .name").all_inner_texts()

    def column(self, number: int) -> list[str]:
        return [
            str(cell.get_attribute("data-sort")) for cell in self.page.locator(f"tbody td:nth-child({number})").all()
        ]

    def color(self, selector: str) -> str:
        return str(self.page.eval_on_selector(selector, "element => getComputedStyle(element).backgroundColor"))


@dataclass
class Window:
    """Opens the page in windows of a size and color scheme."""

    browser: Browser
    file: Path

    def open(self, width: int = 1280, height: int = 1000, *, dark: bool = False, script: bool = True) -> Opened:
        context = self.browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            java_script_enabled=script,
        )
        opened = Opened(context.new_page())
        opened.page.on("request", lambda request: opened.requests.append(request.url))
        opened.page.on("console", lambda message: opened.errors.append(message.text))
        opened.page.on("pageerror", lambda error: opened.errors.append(str(error)))
        opened.page.goto(self.file.as_uri())
        return opened


@pytest.fixture
def window(browser: Browser, file: Path) -> Iterator[Window]:
    yield Window(browser, file)
    for context in browser.contexts:
        context.close()


def test_it_makes_no_request_and_its_policy_refuses_nothing(window: Window) -> None:
    opened = window.open()
    assert opened.requests == [window.file.as_uri()]
    assert opened.errors == []
    assert len(opened.rows()) == 204
    if picture := os.environ.get("MFA_GUARD_SCREENSHOT"):
        opened.page.set_viewport_size({"width": 1280, "height": 1440})
        opened.page.screenshot(path=picture)


def test_hostile_names_stay_text(window: Window) -> None:
    opened = window.open()
    assert opened.page.title().startswith("What enforcing MFA would do")
    assert HOSTILE in opened.page.locator(".path").all_inner_texts()
    assert opened.page.locator("img").count() == 0
    assert opened.page.locator("script").count() == 1


def test_its_policy_stops_an_injected_script(window: Window) -> None:
    source = window.file.read_text("utf-8")
    window.file.write_text(source.replace("<main>", "<main><script>document.title = 'hit'</script>"), "utf-8")
    opened = window.open()
    assert opened.page.title() != "hit"
    assert any("Content Security Policy" in error for error in opened.errors)


@pytest.mark.parametrize("width", [320, 360, 800, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_every_width(window: Window, width: int, dark: bool) -> None:
    opened = window.open(width, 760, dark=dark)
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    beyond = (
        "width => [...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > width).length"
    )
    assert opened.page.evaluate(beyond, width) == 0


def test_it_is_dark_for_readers_who_prefer_that(window: Window) -> None:
    light, dark = window.open().color("html"), window.open(dark=True).color("html")
    assert light == "rgb(245, 246, 248)"
    assert dark == "rgb(18, 22, 29)"


@pytest.mark.parametrize("dark", [False, True])
def test_text_has_enough_contrast(window: Window, dark: bool) -> None:
    """WCAG requires a contrast of 4.5 to 1 for text. https://www.w3.org/TR/WCAG22/#contrast-minimum"""
    page = window.open(dark=dark).page
    pairs = page.evaluate(
        """() => ['.name', '.quiet', '.path', '.alert', 'pre', 'th button', '.notes li', '.badge', '.tiles span'].map(
          (selector) => {
            let element = document.querySelector(selector);
            const ink = getComputedStyle(element).color;
            const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
            const behind = [];
            for (; element; element = element.parentElement) behind.unshift(getComputedStyle(element).backgroundColor);
            const pixel = (colors) => {
              for (const color of colors) { canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1); }
              return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
            };
            const paper = pixel(behind);
            return [selector, paper, pixel([ink])];
          })"""
    )
    low = {selector: _contrast(paper, ink) for selector, paper, ink in pairs if _contrast(paper, ink) < 4.5}
    assert low == {}


class TestSorting:
    def test_works_by_keyboard_and_tells_the_direction(self, window: Window) -> None:
        opened = window.open()
        head = opened.page.locator("th").first
        head.locator("button").focus()
        opened.page.keyboard.press("Enter")
        assert head.get_attribute("aria-sort") == "ascending"
        ascending = opened.rows()
        assert ascending == sorted(ascending, key=_by_number)
        opened.page.keyboard.press("Space")
        assert head.get_attribute("aria-sort") == "descending"
        assert opened.rows() == ascending[::-1]
        opened.page.keyboard.press("Tab")
        opened.page.keyboard.press("Enter")
        assert head.get_attribute("aria-sort") is None
        assert opened.column(2) == sorted(opened.column(2))

    def test_works_on_a_phone(self, window: Window) -> None:
        opened = window.open(360, 760)
        button = opened.page.get_by_role("button", name="Outcome")
        button.click()
        button.click()
        assert opened.column(6) == sorted(opened.column(6), reverse=True)


class TestFilter:
    def test_shows_the_rows_with_the_text(self, window: Window) -> None:
        opened = window.open()
        opened.page.get_by_label("Show only").fill("  CI- ")
        assert sorted(opened.rows()) == ["ci-backup", "ci-build", "ci-deploy"]
        assert opened.page.locator("#shown").inner_text() == "3 of 204"

    def test_stays_while_the_table_is_sorted(self, window: Window) -> None:
        opened = window.open()
        opened.page.get_by_label("Show only").fill("ci-")
        opened.page.get_by_role("button", name="User").click()
        assert opened.rows() == ["ci-backup", "ci-build", "ci-deploy"]


def test_without_its_script_it_is_complete_and_shows_no_dead_controls(window: Window) -> None:
    opened = window.open(script=False)
    assert len(opened.rows()) == 204
    assert opened.page.locator("th button:enabled").count() == 0
    assert not opened.page.get_by_label("Show only").is_visible()


def test_in_print_rows_are_light_and_the_filter_is_hidden(window: Window) -> None:
    opened = window.open(dark=True)
    opened.page.emulate_media(media="print")
    assert not opened.page.get_by_label("Show only").is_visible()
    assert opened.page.eval_on_selector(".name", "element => getComputedStyle(element).color") == "rgb(27, 35, 48)"
    assert opened.page.pdf(format="A4").startswith(b"%PDF")


def _by_number(name: str) -> tuple[str, int]:
    word, _, number = name.rpartition("-")
    return (word, int(number)) if number.isdigit() else (name, 0)


def _contrast(one: list[int], other: list[int]) -> float:
    low, high = sorted(map(_luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(color: list[int]) -> float:
    parts = [value / 255 for value in color]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
