"""What the page does with answers of the agreed shape, whichever server gives them."""

from collections.abc import Callable

import numpy as np
from playwright.sync_api import BrowserContext, Response, Route, expect
from pydantic import TypeAdapter

from service import schemas
from tests.browser.hand import draw_digit
from tests.browser.visits import Visit, visit
from tests.servers import Server

EXPLAINED = "**/v1/digits?*explain=true"
DIGITS = [
    {"digit": 4, "confidence": 0.99, "box": [100, 40, 120, 160], "accepted": True, "reason": None, "line": 0},
    {"digit": 2, "confidence": 0.41, "box": [300, 40, 100, 160], "accepted": False, "reason": "ambiguous", "line": 0},
    {
        "digit": None,
        "confidence": 0.8,
        "box": [420, 40, 90, 160],
        "accepted": False,
        "reason": "not_a_digit",
        "line": 0,
    },
]
NUMBER = {
    "text": "42?",
    "digits": DIGITS,
    "marks": [],
    "accepted": False,
    "reason": "ambiguous",
    "model": {"name": "line", "version": 1, "sha256": "0" * 64},
    "timing_ms": {"decode": 1.0, "segment": 4.0, "queue": 0.1, "compute": 3.0},
    "request_id": "1",
}


def pixel(guest: Visit, canvas: str, x: int, y: int) -> list[int]:
    read = "(it, [x, y]) => [...it.getContext('2d').getImageData(x, y, 1, 1).data]"
    levels: list[int] = guest.page.locator(f"{canvas} canvas").evaluate(read, [x, y])
    return levels[:3]


def asked(model: str) -> Callable[[Response], bool]:
    return lambda answer: "explain=true" in answer.url and f"model={model}" in answer.url


def test_explanations_are_shown_as_the_server_gives_them(context: BrowserContext, server: Server) -> None:
    guest = visit(context, server)
    with guest.page.expect_response(asked("cnn")) as cnn, guest.page.expect_response(asked("rnn")) as rnn:
        draw_digit(guest.page, 1)
    for tile in ("#seen", "#why-cnn", "#why-rnn", "#steps"):
        expect(guest.page.locator(tile)).to_be_visible()
    expect(guest.page.locator("#unexplained")).to_be_hidden()
    for name, answer in (("cnn", cnn), ("rnn", rnn)):
        saliency = np.array(answer.value.json()["predictions"][0]["saliency"])
        y, x = np.unravel_index(saliency.argmax(), saliency.shape)
        red, _, blue = pixel(guest, f"#why-{name}", int(x), int(y))
        assert red > blue  # what speaks for the digit is warm
        y, x = np.unravel_index(saliency.argmin(), saliency.shape)
        red, _, blue = pixel(guest, f"#why-{name}", int(x), int(y))
        assert blue > red or saliency.min() > -0.1
    assert sum(pixel(guest, "#steps", 1, 27)) > 5 * sum(pixel(guest, "#steps", 0, 27))


def test_a_number_is_read_while_it_is_written(context: BrowserContext, server: Server) -> None:
    guest = visit(context, server)
    guest.page.get_by_label("A number").check()
    for digit, middle in ((4, 0.5), (0, 1.0), (7, 1.5)):
        draw_digit(guest.page, digit, middle=middle, size=0.5)
    expect(guest.page.locator("#text")).to_have_text("407")
    expect(guest.page.locator("#digits li")).to_have_count(3)
    paper = guest.page.locator("#pad").bounding_box()
    assert paper is not None
    for place, middle in enumerate((0.5, 1.0, 1.5)):
        box = guest.page.locator("#boxes i").nth(place).bounding_box()
        assert box is not None
        assert box["x"] < paper["x"] + middle * paper["height"] < box["x"] + box["width"]


def test_a_server_without_explanations(context: BrowserContext, server: Server) -> None:
    def without(route: Route) -> None:
        document = route.fetch().json()
        for prediction in document["predictions"]:
            prediction.pop("saliency", None)
            prediction.pop("steps", None)
        route.fulfill(json=document)

    guest = visit(context, server)
    guest.page.route(EXPLAINED, without)
    draw_digit(guest.page, 1)
    expect(guest.page.locator("#unexplained")).to_contain_text("does not explain")
    expect(guest.page.locator("#seen")).to_be_visible()
    expect(guest.page.locator("#steps")).to_be_hidden()


def test_the_faked_answer_is_of_the_shape_that_the_server_promises() -> None:
    TypeAdapter(schemas.NumberAnswer).validate_python(NUMBER)


def test_doubtful_digits_of_a_number_are_shown_so(context: BrowserContext, server: Server) -> None:
    guest = visit(context, server)
    guest.page.route("**/v1/numbers*", lambda route: route.fulfill(json=NUMBER))
    guest.page.get_by_label("A number").check()
    draw_digit(guest.page, 4, middle=0.6, size=0.5)
    expect(guest.page.locator("#text")).to_have_text("42?")
    expect(guest.page.locator("#digits li")).to_have_count(3)
    expect(guest.page.locator("#digits li.refused").first).to_contain_text("41.00 %")
    expect(guest.page.locator("#number .sentence")).to_have_text("Doubtful: 2, what is no digit.")
    box = guest.page.locator("#boxes i").first.bounding_box()
    paper = guest.page.locator("#pad").bounding_box()
    assert box is not None
    assert paper is not None
    scale = paper["height"] / 256  # the picture that was sent is 256 pixels high
    assert abs(box["x"] - paper["x"] - 100 * scale) < 2
    assert abs(box["width"] - 120 * scale) < 4
