"""The local account's page in a browser, with a state that the test writes."""

import re
from collections.abc import Callable, Iterator
from http import HTTPStatus

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect
from playwright.sync_api import TimeoutError as NothingCame

from mfa_guard_emulator.console.page import HEADERS, asset
from support.browser import open_browser
from support.page import FakeAccount, entry, fake_account, mail, user

HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>&lt;b&gt;"
COMMAND = "aws iam detach-user-policy --user-name alice && \\\naws iam untag-user --user-name alice"
PHONE = (360, 740)

# The page requests the state once a second, which is slow for a test. Delays for the reader stay as they are.
HURRY = """
    const slow = window.setTimeout;
    window.setTimeout = (act, delay) => slow(act, delay === 1000 ? 50 : delay);
"""

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


@pytest.fixture
def account() -> Iterator[FakeAccount]:
    with fake_account() as running:
        yield running


@pytest.fixture
def foreign() -> list[str]:
    """Return the requests to other hosts than the local account, which are refused."""
    return []


@pytest.fixture
def open_page(browser: Browser, account: FakeAccount, foreign: list[str]) -> Iterator[Open]:
    """Return a function that opens the page and waits for the first state. No page may have an error."""
    complaints: list[str] = []
    contexts = []

    def guard(route: Route) -> None:
        if route.request.url.startswith(account.url):
            route.continue_()
        else:
            foreign.append(route.request.url)
            route.abort()

    def opened(size: tuple[int, int] = (1440, 900), **options: object) -> Page:
        width, height = size
        context = browser.new_context(viewport={"width": width, "height": height}, **options)  # type: ignore[arg-type]
        contexts.append(context)
        context.route("**/*", guard)
        context.add_init_script(HURRY)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text) if "Security" in message.text else None)
        page.goto(account.url)
        expect(page.locator("#connection")).to_have_text("Live")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


def row(page: Page, name: str) -> Locator:
    return page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=name))


def shown_mail(page: Page, number: int) -> Locator:
    return page.locator(f".mail[data-number='{number}']")


def polled_again(page: Page) -> None:
    """Wait until the page has requested the present state, and the answer was that it has this state."""
    # The first request may have started earlier. The page makes one request at a time.
    for _ in range(2):
        with page.expect_response(lambda answer: answer.status == HTTPStatus.NOT_MODIFIED):
            pass


class TestUsers:
    def test_alice_appears_turns_noncompliant_and_then_compliant(self, account: FakeAccount, open_page: Open) -> None:
        page = open_page()
        expect(page.get_by_text("This account has no user.")).to_be_visible()

        account.users = [user("alice")]
        expect(row(page, "alice")).to_contain_text("without device")
        expect(row(page, "alice")).to_contain_text("not enforced")

        tags = {"mfa-guard:status": "noncompliant", "mfa-guard:since": "2026-01-02T03:04:05Z"}
        account.users = [user("alice", routes=["user"], tags=tags)]
        alice = row(page, "alice")
        expect(alice.locator(".pill")).to_have_text("noncompliant")
        expect(alice).to_contain_text("enforced: attached to the user")
        expect(alice).to_contain_text("mfa-guard:since=2026-01-02T03:04:05Z")

        account.users = [user("alice", routes=["user", "group"], devices=["alice-phone"])]
        expect(alice.locator(".pill")).to_have_text("compliant")
        expect(alice).to_contain_text("attached to the user and through the group")
        expect(alice).to_contain_text("alice-phone")

    def test_all_facts_about_a_user_are_in_the_row(self, account: FakeAccount, open_page: Open) -> None:
        keys = [{"id": "AKIAONE", "status": "Active"}, {"id": "AKIATWO", "status": "Inactive"}]
        account.users = [user("alice", path="/people/", password=True, keys=keys, tags={"team": "payments"})]
        alice = row(open_page(), "alice")
        for known in ("AIDAALICE", "path /people/", "password", "AKIAONE active", "AKIATWO inactive", "team=payments"):
            expect(alice).to_contain_text(known)

    @pytest.mark.parametrize(
        ("until", "standing", "sentence"),
        [
            ("2999-01-01T00:00:00Z", "exempt", "until 2999-01-01T00:00:00Z"),
            ("2020-01-01T00:00:00Z", "without device", "no longer exempt, as of 2020-01-01T00:00:00Z"),
        ],
    )
    def test_an_exemption_applies_until_it_ends(
        self, account: FakeAccount, open_page: Open, until: str, standing: str, sentence: str
    ) -> None:
        account.users = [user("alice", exempt_until=until)]
        alice = row(open_page(), "alice")
        expect(alice.locator(".pill")).to_have_text(standing)
        expect(alice).to_contain_text(sentence)

    def test_users_come_and_go_and_are_counted_by_state(self, account: FakeAccount, open_page: Open) -> None:
        account.users = [user("bob"), user("dan", devices=["phone"])]
        page = open_page()
        expect(page.locator("#note-users")).to_have_text("1 without device, 1 compliant")
        account.users = [user("alice"), user("bob"), user("carol")]
        expect(page.get_by_role("rowheader")).to_have_text(
            [re.compile("^alice"), re.compile("^bob"), re.compile("^ca")]
        )
        expect(page.locator("#note-users")).to_have_text("3 without device")

    def test_what_did_not_change_is_not_touched(self, account: FakeAccount, open_page: Open) -> None:
        account.users = [user("alice", password=True)]
        page = open_page()
        credentials = row(page, "alice").locator("td[data-label=Credentials]")
        credentials.select_text()
        account.users = [user("alice", password=True, routes=["user"])]
        expect(row(page, "alice")).to_contain_text("enforced: attached to the user")
        assert page.evaluate("getSelection().toString()").split("\n")[0] == "password"

    def test_a_narrow_screen_keeps_the_table_a_table(self, account: FakeAccount, open_page: Open) -> None:
        account.users = [user("alice")]
        page = open_page(PHONE)
        expect(page.get_by_role("table")).to_have_count(1)
        expect(page.get_by_role("columnheader")).to_have_count(5)
        expect(row(page, "alice").get_by_role("cell")).to_have_count(4)


class TestMails:
    def test_the_newest_is_first_and_open_with_its_full_text(self, account: FakeAccount, open_page: Open) -> None:
        account.mails = [mail(2, "CRITICAL: the trail stopped"), mail(1)]
        page = open_page()
        expect(page.locator(".mail .line")).to_have_text(
            ["CRITICAL: the trail stopped", "HIGH: alice has no MFA device"]
        )
        expect(shown_mail(page, 2)).to_contain_text("NoticesTopic to security@example.com")
        expect(shown_mail(page, 2).locator("time")).to_have_attribute("datetime", "2026-01-02T03:04:02Z")
        expect(shown_mail(page, 2).locator("pre")).to_be_visible()
        expect(shown_mail(page, 1).locator("pre")).to_be_hidden()
        assert shown_mail(page, 2).locator("pre").text_content() == account.mails[0]["text"]

    def test_severity_is_a_word_and_a_color(self, account: FakeAccount, open_page: Open) -> None:
        words = ["CRITICAL", "HIGH", "MEDIUM", "LOW"]
        account.mails = [mail(number, f"{word}: something") for number, word in enumerate(words)]
        pills = open_page().locator(".mail .pill")
        expect(pills).to_have_text(words)
        colors = pills.evaluate_all("pills => pills.map(pill => getComputedStyle(pill).backgroundColor)")
        assert len(set(colors)) == len(words)

    def test_a_subject_that_does_not_begin_with_the_severity_is_whole(
        self, account: FakeAccount, open_page: Open
    ) -> None:
        account.mails = [mail(1, "HIGHEST: something", severity="high")]
        expect(open_page().locator(".mail .line")).to_have_text("HIGH: HIGHEST: something")

    def test_a_mail_that_the_reader_opened_or_closed_stays_so(self, account: FakeAccount, open_page: Open) -> None:
        account.mails = [mail(3), mail(2), mail(1)]
        page = open_page()
        shown_mail(page, 1).locator("summary").click()
        shown_mail(page, 3).locator("summary").click()
        account.mails = [mail(4), *account.mails]
        expect(shown_mail(page, 4).locator("pre")).to_be_visible()
        polled_again(page)
        opened = [shown_mail(page, number).locator("pre").is_visible() for number in (4, 3, 2, 1)]
        assert opened == [True, False, False, True]

    def test_a_mail_that_the_page_opened_closes_for_the_next(self, account: FakeAccount, open_page: Open) -> None:
        account.mails = [mail(1)]
        page = open_page()
        account.mails = [mail(2), mail(1)]
        expect(shown_mail(page, 2).locator("pre")).to_be_visible()
        expect(shown_mail(page, 1).locator("pre")).to_be_hidden()

    def test_a_mail_that_the_reader_clicked_stays_open(self, account: FakeAccount, open_page: Open) -> None:
        account.mails = [mail(1)]
        page = open_page()
        shown_mail(page, 1).locator("pre").click()
        account.mails = [mail(2), mail(1)]
        expect(shown_mail(page, 2).locator("pre")).to_be_visible()
        expect(shown_mail(page, 1).locator("pre")).to_be_visible()

    def test_focus_and_selection_survive(self, account: FakeAccount, open_page: Open) -> None:
        account.mails = [mail(2), mail(1)]
        account.users = [user("alice")]
        page = open_page()
        shown_mail(page, 2).locator("pre").select_text()
        shown_mail(page, 1).locator("summary").focus()
        account.mails = [mail(3), *account.mails]
        account.users = [user("alice", routes=["user"])]
        expect(shown_mail(page, 3)).to_be_visible()
        expect(shown_mail(page, 1).locator("summary")).to_be_focused()
        assert page.evaluate("getSelection().toString().trim()") == str(account.mails[1]["text"]).strip()

    @pytest.mark.parametrize("size", [(1440, 900), PHONE])
    def test_what_the_reader_looks_at_does_not_move(
        self, account: FakeAccount, open_page: Open, size: tuple[int, int]
    ) -> None:
        account.mails = [mail(number) for number in range(60, 0, -1)]
        page = open_page(size)
        read = shown_mail(page, 20)
        read.scroll_into_view_if_needed()
        before = read.bounding_box()
        account.mails = [mail(number) for number in range(65, 0, -1)]
        expect(shown_mail(page, 65)).to_be_attached()
        after = read.bounding_box()
        assert before
        assert after
        assert after["y"] == pytest.approx(before["y"], abs=1)

    def test_a_new_mail_is_announced_and_unread_until_it_is_seen(self, account: FakeAccount, open_page: Open) -> None:
        account.mails = [mail(1)]
        page = open_page()
        expect(page).to_have_title("mfa-guard local")
        expect(page.locator("#news")).to_be_empty()
        account.mails = [mail(2, "LOW: alice has an MFA device now"), mail(1)]
        expect(page).to_have_title("(1) mfa-guard local")
        expect(page.locator("#news")).to_have_text("New mail. LOW: alice has an MFA device now")
        expect(page.locator("#news")).to_have_role("status")
        expect(page.get_by_role("button", name="1 unread")).to_be_visible()
        expect(page).to_have_title("mfa-guard local")
        expect(page.locator("#unread")).to_be_hidden()

    def test_a_mail_out_of_view_stays_unread_until_the_reader_goes_there(
        self, account: FakeAccount, open_page: Open
    ) -> None:
        account.mails = [mail(number) for number in range(60, 0, -1)]
        page = open_page(PHONE)
        shown_mail(page, 1).scroll_into_view_if_needed()
        account.mails = [mail(number) for number in range(62, 0, -1)]
        expect(page).to_have_title("(2) mfa-guard local")
        expect(page.locator("#news")).to_have_text("2 new mails. The newest: HIGH: alice has no MFA device")
        page.get_by_role("button", name="2 unread").dispatch_event("click")
        expect(shown_mail(page, 62).locator("summary")).to_be_focused()
        expect(shown_mail(page, 62).locator("summary")).to_be_in_viewport()

    def test_a_command_is_copied_unchanged(self, account: FakeAccount, open_page: Open) -> None:
        text = f"Lead.\n\nTO UNDO (records an exemption)\n{COMMAND}\n\nAccount 111122223333.\n"
        account.mails = [mail(1, text=text)]
        page = open_page(permissions=["clipboard-read", "clipboard-write"])
        page.get_by_role("button", name="Copy the command to undo").click()
        expect(page.locator("#news")).to_have_text("Copied the command to undo.")
        assert page.evaluate("navigator.clipboard.readText()") == COMMAND
        assert page.locator(".mail pre").text_content() == text

    def test_mails_and_lines_beyond_the_maximum_are_counted(self, account: FakeAccount, open_page: Open) -> None:
        account.mails = [mail(number) for number in range(250, 0, -1)]
        account.activity = [entry(number) for number in range(130, 0, -1)]
        page = open_page()
        expect(page.locator(".mail")).to_have_count(200)
        expect(page.locator("#note-mails")).to_have_text("the newest 200 of 250")
        expect(page.locator("#note-activity")).to_have_text("the newest 100 of 130")


class TestActivity:
    def test_an_event_is_shown_with_its_function_and_outcome(self, account: FakeAccount, open_page: Open) -> None:
        failure = entry(2, outcome="attempt 1: NotVisibleYet", failed=True)
        unmatched = entry(
            3, event="iam CreateVirtualMFADevice", about=None, rule=None, function=None, outcome="matches no rule"
        )
        account.activity = [unmatched, failure, entry(1)]
        entries = open_page().locator(".entry")
        expect(entries.nth(0)).to_contain_text("iam CreateVirtualMFADevice by user/carol")
        expect(entries.nth(0)).to_contain_text("matches no rule")
        expect(entries.nth(1)).to_contain_text("failed attempt 1: NotVisibleYet")
        expect(entries.nth(2)).to_contain_text("iam CreateUser by user/carol, about alice")
        expect(entries.nth(2)).to_contain_text("enforced: enforce, tag")
        expect(entries.nth(2)).to_contain_text("UserEventFunctionNewCredentials invoked UserEventFunction")
        expect(entries.nth(2)).not_to_contain_text("failed")

    def test_dead_letters_stand_out(self, account: FakeAccount, open_page: Open) -> None:
        account.dead_letters = 2
        expect(open_page().locator("#dead-letters.warn")).to_have_text("2")


class TestHostileText:
    def test_hostile_text_stays_text(self, account: FakeAccount, open_page: Open, foreign: list[str]) -> None:
        text = f'Lead.\n\nWHAT HAPPENED\n  client, in the caller\'s own words: "{HOSTILE}"\n\nTO UNDO\naws {HOSTILE}\n'
        account.mails = [mail(1, f"HIGH: {HOSTILE}", text=text, to=[HOSTILE], topic=HOSTILE, kind=HOSTILE)]
        keys = [{"id": HOSTILE, "status": HOSTILE}]
        account.users = [
            user(HOSTILE, path=HOSTILE, tags={HOSTILE: HOSTILE}, devices=[HOSTILE], keys=keys, exempt_until=HOSTILE)
        ]
        fields = dict.fromkeys(("event", "actor", "about", "rule", "function", "outcome", "time"), HOSTILE)
        account.activity = [entry(1) | fields]
        page = open_page()
        account.mails = [mail(2, f"HIGH: {HOSTILE}", text=text), *account.mails]
        expect(page.locator("#news")).to_contain_text(HOSTILE)
        polled_again(page)

        assert page.locator(".mail pre").first.text_content() == text
        expect(page.locator(".mail .line").first).to_have_text(f"HIGH: {HOSTILE}")
        expect(page.locator(".entry")).to_contain_text(f"{HOSTILE} by {HOSTILE}, about {HOSTILE}")
        expect(page.get_by_role("rowheader")).to_contain_text(HOSTILE)
        expect(page.locator("td[data-label=Tags]")).to_have_text(f"{HOSTILE}={HOSTILE}")
        expect(page.locator("img, body script")).to_have_count(0)
        assert "owned" not in page.title()
        assert foreign == []

    def test_the_policy_runs_only_the_script_of_the_page(self, open_page: Open) -> None:
        page = open_page()
        refused = """() => {
            try { document.body.innerHTML = "<b>markup</b>"; return "taken"; } catch (error) { return error.name; }
        }"""
        assert page.evaluate(refused) == "TypeError"
        assert "unsafe" not in HEADERS["Content-Security-Policy"]

    def test_no_other_host_gets_a_request(self, account: FakeAccount, open_page: Open, foreign: list[str]) -> None:
        account.mails = [mail(1, text="https://console.aws.amazon.com/iam/home")]
        page = open_page()
        polled_again(page)
        assert foreign == []

    @pytest.mark.parametrize("name", ["page.html", "__init__.py", "../page/page.js", "page.js/", "state", "%2e"])
    def test_only_listed_files_are_served(self, name: str) -> None:
        assert asset(name) is None


class TestConnection:
    def test_an_unchanged_state_is_not_sent_again(self, account: FakeAccount, open_page: Open) -> None:
        account.mails = [mail(1)]
        page = open_page()
        polled_again(page)
        first, *later = account.requests
        assert (first.tag, first.status) == (None, HTTPStatus.OK)
        assert {(each.tag is None, each.status) for each in later} == {(False, HTTPStatus.NOT_MODIFIED)}
        expect(page.locator("#connection")).to_have_text("Live")
        expect(shown_mail(page, 1)).to_be_visible()

    def test_the_account_ends_and_another_one_starts(self, account: FakeAccount, open_page: Open) -> None:
        account.mails = [mail(1)]
        page = open_page()
        account.end()
        expect(page.locator("#connection")).to_have_text("The local account has ended")
        expect(shown_mail(page, 1)).to_be_visible()
        account.mails = [mail(1, "LOW: another account's first mail")]
        account.start()
        expect(page.locator("#connection")).to_have_text("Live")
        expect(page.locator(".mail .line")).to_have_text(["LOW: another account's first mail"])

    @pytest.mark.parametrize(
        ("broken", "sentence"),
        [
            (HTTPStatus.BAD_GATEWAY, "it answered with status 502"),
            (b"<html>", "is not valid JSON"),
            (b'{"stack": {}}', "undefined"),
        ],
    )
    def test_an_answer_that_is_not_a_state_is_reported(
        self, account: FakeAccount, open_page: Open, broken: bytes | HTTPStatus, sentence: str
    ) -> None:
        page = open_page()
        account.broken = broken
        expect(page.locator("#connection")).to_have_text(
            re.compile(f"^The account's state cannot be shown: .*{sentence}")
        )
        account.broken = None
        account.mails = [mail(1)]
        expect(page.locator("#connection")).to_have_text("Live")
        expect(shown_mail(page, 1)).to_be_visible()

    def test_a_hidden_page_makes_no_request(self, open_page: Open) -> None:
        page = open_page()
        hide = """hidden => {
            Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }"""
        page.evaluate(hide, arg=True)
        # A request that the page made earlier has ended when this one is answered.
        page.evaluate("fetch('state').then(answer => answer.text())")
        with pytest.raises(NothingCame), page.expect_request("**/state", timeout=500):
            pass
        with page.expect_response("**/state"):
            page.evaluate(hide, arg=False)


class TestReading:
    def test_an_empty_account_shows_the_first_steps(self, account: FakeAccount, open_page: Open) -> None:
        page = open_page()
        expect(page.locator("#first-steps")).to_have_text(
            f'eval "$(mfa-guard-local env --port {account.port})"\naws iam create-user --user-name alice'
        )
        account.mails = [mail(1)]
        expect(page.locator("#first-steps")).to_be_hidden()

    def test_nothing_is_wider_than_the_screen(self, account: FakeAccount, open_page: Open) -> None:
        long = "x" * 300
        account.mails = [mail(1, f"HIGH: {long}", text=f"{long}\n\nTO UNDO\naws {long}\n", to=[long], kind=long)]
        account.users = [user(long, devices=[long], tags={long: long}, keys=[{"id": long, "status": "Active"}])]
        account.activity = [entry(1, actor=long, outcome=long, rule=long, failed=True)]
        page = open_page()
        wider = """width => [...document.querySelectorAll("body *")]
            .filter(each => each.getClientRects().length && !each.closest(".unseen, thead"))
            .filter(each => each.getBoundingClientRect().right > width).map(each => each.outerHTML.slice(0, 80))"""
        for width in (320, 360, 768, 1024):
            page.set_viewport_size({"width": width, "height": 740})
            assert page.evaluate(wider, width) == []
            assert page.evaluate("document.scrollingElement.scrollWidth") == width

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_every_text_has_enough_contrast(self, account: FakeAccount, open_page: Open, scheme: str) -> None:
        """https://www.w3.org/TR/WCAG22/#contrast-minimum"""
        account.mails = [mail(n, f"{word}: x") for n, word in enumerate(("LOW", "MEDIUM", "HIGH", "CRITICAL", "ODD"))]
        account.users = [
            user("alice", tags={"mfa-guard:status": "noncompliant"}),
            user("bob", devices=["phone"]),
            user("carol", exempt_until="2999-01-01T00:00:00Z"),
            user("dave"),
        ]
        account.activity = [entry(1, failed=True)]
        page = open_page(color_scheme=scheme)
        seen = page.evaluate(_COLORS)
        assert len({ground for _, ground in seen}) >= 8
        assert [pair for pair in seen if _contrast(*pair) < 4.5] == []

    def test_dark_and_light_follow_the_readers_setting(self, open_page: Open) -> None:
        page = open_page(color_scheme="light")
        ground = "getComputedStyle(document.documentElement).backgroundColor"
        light = _luminance(page.evaluate(ground))
        page.emulate_media(color_scheme="dark")
        dark = _luminance(page.evaluate(ground))
        assert light > 0.8
        assert dark < 0.05

    @pytest.mark.parametrize(("motion", "animated"), [("reduce", 0), ("no-preference", 1)])
    def test_nothing_moves_with_reduced_motion(
        self, account: FakeAccount, open_page: Open, motion: str, animated: int
    ) -> None:
        page = open_page(reduced_motion=motion)
        account.mails = [mail(1)]
        expect(shown_mail(page, 1)).to_be_visible()
        assert page.evaluate("document.getAnimations().length") == animated

    def test_the_keyboard_can_open_a_mail(self, account: FakeAccount, open_page: Open) -> None:
        account.mails = [mail(2), mail(1)]
        page = open_page()
        shown_mail(page, 2).locator("summary").focus()
        page.keyboard.press("Tab")
        if page.locator(".pane:focus").count():
            page.keyboard.press("Tab")
        expect(shown_mail(page, 1).locator("summary")).to_be_focused()
        page.keyboard.press("Enter")
        expect(shown_mail(page, 1).locator("pre")).to_be_visible()


# Every color of text and the ground that it stands on, out of the elements that have text of their own.
_COLORS = """() => [...new Set([...document.querySelectorAll("body *")]
    .filter(each => [...each.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.data.trim()))
    .filter(each => each.checkVisibility() && !each.closest(".unseen"))
    .map(each => {
        let under = each;
        while (under && getComputedStyle(under).backgroundColor === "rgba(0, 0, 0, 0)") under = under.parentElement;
        return JSON.stringify([each, under ?? document.documentElement].map((one, index) =>
            getComputedStyle(one)[index ? "backgroundColor" : "color"]));
    }))].map(JSON.parse)"""


def _luminance(color: str) -> float:
    """https://www.w3.org/TR/WCAG22/#dfn-relative-luminance"""
    red, green, blue = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (int(part) / 255 for part in re.findall(r"\d+", color)[:3])
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(text: str, ground: str) -> float:
    darker, lighter = sorted((_luminance(text), _luminance(ground)))
    return (lighter + 0.05) / (darker + 0.05)
