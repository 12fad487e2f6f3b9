"""What the page does with answers of the agreed shape, whichever server gives them."""

import numpy as np
from playwright.sync_api import BrowserContext, Route, expect

from tests.browser.hand import draw_digit
from tests.browser.visits import Visit, visit
from tests.servers import Server

EXPLAINED = "**/v1/digits?*explain=true"
DIGITS = [
    {"digit": 4, "confidence": 0.99, "box": [100, 40, 120, 160], "accepted": True, "reason": None},
    {"digit": 2, "confidence": 0.41, "box": [300, 40, 100, 160], "accepted": False, "reason": "ambiguous"},
]
NUMBER = {"text": "42", "digits": DIGITS, "lines": [], "model": {}, "timing_ms": {}, "request_id": "1"}


def explained(route: Route) -> None:
    """The server's own answer with a saliency for half of the pixels and against the others, and steps."""
    answer = route.fetch()
    document = answer.json()
    for prediction in document["predictions"]:
        prediction["saliency"] = np.repeat([[1.0] * 14 + [-1.0] * 14], 28, axis=0).tolist()
        if "model=rnn" in route.request.url:
            prediction["steps"] = [[0.0] * 9 + [1.0]] * 28
    route.fulfill(json=document)


def pixel(guest: Visit, canvas: str, x: int, y: int) -> list[int]:
    read = "(it, [x, y]) => [...it.getContext('2d').getImageData(x, y, 1, 1).data]"
    levels: list[int] = guest.page.locator(f"{canvas} canvas").evaluate(read, [x, y])
    return levels[:3]


def test_explanations_are_shown(context: BrowserContext, server: Server) -> None:
    guest = visit(context, server)
    guest.page.route(EXPLAINED, explained)
    draw_digit(guest.page, 1)
    for tile in ("#seen", "#why-cnn", "#why-rnn", "#steps"):
        expect(guest.page.locator(tile)).to_be_visible()
    expect(guest.page.locator("#unexplained")).to_be_hidden()
    red, _, blue = pixel(guest, "#why-cnn", 2, 14)
    assert red > blue  # what speaks for the digit is warm
    red, _, blue = pixel(guest, "#why-rnn", 25, 14)
    assert red < blue
    assert sum(pixel(guest, "#steps", 9, 27)) > 5 * sum(pixel(guest, "#steps", 0, 27))


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


def test_a_number_is_shown_with_its_boxes(context: BrowserContext, server: Server) -> None:
    guest = visit(context, server)
    guest.page.route("**/v1/numbers*", lambda route: route.fulfill(json=NUMBER))
    guest.page.get_by_label("A number").check()
    draw_digit(guest.page, 4, middle=0.6, size=0.5)
    expect(guest.page.locator("#text")).to_have_text("42")
    expect(guest.page.locator("#digits li")).to_have_count(2)
    expect(guest.page.locator("#digits li.refused")).to_contain_text("41.00 %")
    expect(guest.page.locator("#number .sentence")).to_have_text("Doubtful: 2.")
    box = guest.page.locator("#boxes i").first.bounding_box()
    paper = guest.page.locator("#pad").bounding_box()
    assert box is not None
    assert paper is not None
    scale = paper["height"] / 256  # the picture that was sent is 256 pixels high
    assert abs(box["x"] - paper["x"] - 100 * scale) < 2
    assert abs(box["width"] - 120 * scale) < 4
