"""A server that takes keys: the page says so, asks for one, and goes on."""

import json
import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, Route, expect

from service import keys
from tests.browser.hand import draw_digit
from tests.browser.visits import Visit
from tests.servers import Server, serving

KEY, STRANGER = keys.make(), keys.make()
REFUSED = re.compile(r"^This takes a key, .+\.$")


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for who has the key."""
    admitted = json.dumps({"page": keys.hash_line(KEY)})
    with serving(tmp_path_factory.mktemp("locked") / "log", AXON_ACCESS__KEYS=admitted) as running:
        yield running


@pytest.fixture
def outsider(context: BrowserContext, locked: Server) -> Iterator[Visit]:
    """A visit without a key, which must end without an error but refusals."""
    opened = Visit(context.new_page())
    opened.watch()
    opened.page.goto(f"{locked.url}/ui/")
    yield opened
    opened.forgive_refusals()
    assert opened.errors == []


def expect_all(page: Page) -> None:
    """Models and gates are there, and nothing is refused."""
    expect(page.locator("#listing tbody tr").first).to_be_visible()
    expect(page.locator("#truth .here")).to_be_visible()
    for trouble in ("#lock", "#gate-trouble", "#models-trouble", "#duel > .sentence.cnn"):
        expect(page.locator(trouble)).to_be_hidden()


def test_the_page_asks_for_a_key_and_goes_on_with_it(outsider: Visit) -> None:
    page = outsider.page
    expect(page.locator("#lock")).to_be_visible()
    expect(page.locator("#gate-trouble")).to_have_text(REFUSED)
    expect(page.locator("#models-trouble")).to_have_text(REFUSED)
    draw_digit(page, 4)
    expect(page.locator("#duel > .sentence.cnn")).to_have_text(re.compile("^CNN: This takes a key, "))
    page.get_by_label("This server takes a key").fill(f" {KEY} ")
    page.keyboard.press("Enter")
    expect(page.locator(".verdict.cnn .digit")).to_have_text("4")
    expect_all(page)


@pytest.mark.parametrize("wrong", [STRANGER, "schlüssel…", "💡", "two words"])
def test_a_wrong_key_is_refused_and_the_next_one_taken(outsider: Visit, wrong: str) -> None:
    page = outsider.page
    field, trouble = page.get_by_label("This server takes a key"), page.locator("#models-trouble")
    expect(trouble).to_contain_text("got none")
    field.fill(wrong)
    page.get_by_role("button", name="Open").click()
    expect(trouble).to_contain_text("got one that is not known")
    expect(page.locator("#lock")).to_be_visible()
    expect(page.locator("#silence")).to_be_hidden()
    field.fill(KEY)
    page.get_by_role("button", name="Open").click()
    expect(trouble).to_be_hidden()
    expect(page.locator("#lock")).to_be_hidden()


def test_a_key_that_is_quicker_than_a_refusal_opens_all(outsider: Visit) -> None:
    page = outsider.page
    refusals: list[Route] = []
    for path in ("gates", "models"):
        page.route(f"**/v1/{path}", lambda route: refusals.append(route), times=1)
    page.reload()
    draw_digit(page, 4)
    page.get_by_label("This server takes a key").fill(KEY)
    page.keyboard.press("Enter")
    expect(page.locator(".verdict.cnn .digit")).to_have_text("4")
    assert len(refusals) == 2
    for late in refusals:
        late.continue_()
    expect_all(page)


def test_lines_for_a_shell_name_the_key_but_do_not_show_it(outsider: Visit) -> None:
    page = outsider.page
    page.get_by_label("This server takes a key").fill(KEY)
    page.keyboard.press("Enter")
    expect_all(page)
    draw_digit(page, 4)
    for part in ("read", "gates"):
        expect(page.locator(f".curl[data-for={part}]")).to_contain_text('-H "X-API-Key: $KEY"')
    assert KEY not in page.content()


def test_a_key_stays_in_the_page(outsider: Visit) -> None:
    page = outsider.page
    page.get_by_label("This server takes a key").fill(KEY)
    page.keyboard.press("Enter")
    expect_all(page)
    assert KEY not in page.url
    kept = page.evaluate("[document.cookie, JSON.stringify(localStorage), JSON.stringify(sessionStorage)]")
    assert kept == ["", "{}", "{}"]
    page.reload()
    expect(page.locator("#lock")).to_be_visible()


@pytest.mark.parametrize("context", [{"color_scheme": "light"}, {"color_scheme": "dark"}], indirect=True)
def test_the_accessibility_rules_hold_at_the_lock(outsider: Visit) -> None:
    expect(outsider.page.locator("#models-trouble")).to_have_text(REFUSED)
    results = Axe().run(outsider.page)
    assert results.violations_count == 0, results.generate_report()


def test_a_server_without_keys_is_not_asked_for_one(guest: Visit) -> None:
    expect(guest.page.locator("#lock")).to_be_hidden()
    expect(guest.page.locator(".curl[data-for=gates]")).not_to_contain_text("X-API-Key")
