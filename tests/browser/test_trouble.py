"""What does not work is said in a sentence."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.browser.hand import NO_DIGIT, draw_digit
from tests.browser.visits import Visit, visit
from tests.servers import REPOSITORY, Server, serving

SENTENCE = re.compile(r"^[A-Z0-9].+\.$")
TRUNCATED = (REPOSITORY / "examples" / "seven.png").read_bytes()[:900]


def open_file(page: Page, tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    page.locator("#file").set_input_files(path)


@pytest.mark.parametrize(
    ("name", "content"), [("cut.png", TRUNCATED), ("text.png", b"not a picture"), ("empty.png", b"")]
)
def test_a_file_that_is_no_picture(guest: Visit, tmp_path: Path, name: str, content: bytes) -> None:
    draw_digit(guest.page, 4)
    expect(guest.page.locator(".verdict.cnn .digit")).to_have_text("4")
    open_file(guest.page, tmp_path, name, content)
    expect(guest.page.locator("#trouble")).to_have_text(SENTENCE)
    expect(guest.page.locator(".verdict.cnn .digit")).to_have_text(NO_DIGIT)
    draw_digit(guest.page, 4)
    expect(guest.page.locator("#trouble")).to_be_hidden()
    expect(guest.page.locator(".verdict.cnn .digit")).to_have_text("4")
    guest.forgive_refusals()


def test_a_file_that_is_too_large(guest: Visit, tmp_path: Path) -> None:
    open_file(guest.page, tmp_path, "large.png", b"\x89PNG\r\n\x1a\n" + bytes(11_000_000))
    expect(guest.page.locator("#trouble")).to_have_text(SENTENCE)
    guest.forgive_refusals()


def test_a_server_that_goes_and_comes_back(context: BrowserContext, tmp_path: Path) -> None:
    with serving(tmp_path / "log", AXON_HTTP__WORKERS="1") as first:
        guest = visit(context, first)
        first.stop()
        draw_digit(guest.page, 6)
        expect(guest.page.locator("#silence")).to_have_text(SENTENCE)
    with serving(tmp_path / "log2", AXON_HTTP__WORKERS="1", AXON_HTTP__PORT=str(first.port), ready=False):
        expect(guest.page.locator("#silence")).to_be_hidden(timeout=60_000)
        expect(guest.page.locator(".verdict.rnn .digit")).to_have_text("6")
    guest.forgive_refusals()
    assert guest.errors == []


def test_a_model_that_is_not_there(context: BrowserContext, server: Server) -> None:
    guest = visit(context, server)
    guest.page.route(
        "**/v1/digits?model=rnn*", lambda route: route.continue_(url=route.request.url.replace("rnn", "x"))
    )
    draw_digit(guest.page, 2)
    expect(guest.page.locator(".verdict.cnn .digit")).to_have_text("2")
    expect(guest.page.locator("#duel > .sentence.rnn")).to_have_text(re.compile(r"^RNN: .+\.$"))
    expect(guest.page.locator(".verdict.rnn .digit")).to_have_text(NO_DIGIT)
    guest.forgive_refusals()
    assert guest.errors == []


def as_missing(route: Route) -> None:
    route.fulfill(status=404, json={"error": "there is nothing here", "code": "unknown_route"})


def test_a_server_that_reads_no_numbers_is_asked_once(guest: Visit) -> None:
    asked: list[str] = []
    guest.page.on("request", lambda request: "numbers" in request.url and asked.append(request.url))
    guest.page.route("**/v1/numbers", as_missing)  # no query: the server chooses the model
    guest.page.get_by_label("A number").check()
    draw_digit(guest.page, 2, middle=0.5, size=0.4)
    expect(guest.page.locator("#number .sentence")).to_contain_text("does not read numbers")
    draw_digit(guest.page, 3, middle=1.5, size=0.4)
    expect(guest.page.locator("#number .sentence")).to_contain_text("does not read numbers")
    assert len(asked) <= 2  # one more may have waited for the first answer
    guest.forgive_refusals()


@pytest.mark.parametrize("media", ["undefined", "{ getUserMedia: () => Promise.reject(new Error()) }"])
def test_a_browser_without_a_camera(guest: Visit, media: str) -> None:
    guest.page.evaluate(f"Object.defineProperty(navigator, 'mediaDevices', {{ value: {media} }})")
    guest.page.locator("#shoot").click()
    expect(guest.page.locator("#trouble")).to_have_text(SENTENCE)
    expect(guest.page.locator("#camera")).to_be_hidden()
    draw_digit(guest.page, 4)
    expect(guest.page.locator("#trouble")).to_be_hidden()
