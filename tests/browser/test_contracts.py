"""What the page makes of the answers that it gets."""

import re
from collections.abc import Callable

import numpy as np
from playwright.sync_api import Response, Route, expect

from tests.browser.hand import LETTER_A, LETTER_X, draw_curves, draw_digit
from tests.browser.visits import Visit
from tests.servers import REPOSITORY

EXPLAINED = "**/v1/digits?*explain=true"


def asked(model: str) -> Callable[[Response], bool]:
    return lambda answer: "explain=true" in answer.url and f"model={model}" in answer.url


def test_explanations_are_shown_as_the_server_gives_them(guest: Visit) -> None:
    with guest.page.expect_response(asked("cnn")) as cnn, guest.page.expect_response(asked("rnn")) as rnn:
        guest.drop(REPOSITORY / "examples" / "seven.png", "image/png")  # a drawing may be asked about more than once
    for tile in ("#seen", "#why-cnn", "#why-rnn", "#steps"):
        expect(guest.page.locator(tile)).to_be_visible()
    expect(guest.page.locator("#unexplained")).to_be_hidden()
    for name, answer in (("cnn", cnn), ("rnn", rnn)):
        saliency = np.array(answer.value.json()["predictions"][0]["saliency"])
        shown = guest.pixels(f"#why-{name} canvas").astype(int)
        red, _, blue, _ = shown[np.unravel_index(saliency.argmax(), saliency.shape)]
        assert red > blue  # what speaks for the digit is warm
        red, _, blue, _ = shown[np.unravel_index(saliency.argmin(), saliency.shape)]
        assert blue > red or saliency.min() > -0.1
    last = guest.pixels("#steps canvas")[-1, :, :3].astype(int).sum(axis=1)
    assert last[7] > 5 * last[0]


def test_a_number_is_read_while_it_is_written(guest: Visit) -> None:
    guest.page.get_by_label("A number").check()
    for digit, middle in ((4, 0.5), (0, 1.0), (7, 1.5)):
        draw_digit(guest.page, digit, middle=middle, size=0.5)
    expect(guest.page.locator("#text")).to_have_text("407")
    expect(guest.page.locator("#digits li")).to_have_count(3)
    paper = guest.page.locator("#pad").bounding_box()
    assert paper is not None
    for box, middle in zip(guest.boxes(), (0.5, 1.0, 1.5), strict=True):
        assert box["x"] < paper["x"] + middle * paper["height"] < box["x"] + box["width"]


def test_doubtful_digits_of_a_number_are_shown_so(guest: Visit) -> None:
    """An A is much like a 4, and no digit is like an X."""
    guest.page.get_by_label("A number").check()
    draw_digit(guest.page, 7, middle=0.5, size=0.5)
    draw_curves(guest.page, LETTER_A, middle=1.1, size=0.5)
    draw_curves(guest.page, LETTER_X, middle=1.7, size=0.5)
    expect(guest.page.locator("#text")).to_have_text("74?")
    sentence = "Doubtful: 4. Where it says ?, there is no digit."
    expect(guest.page.locator("#number .sentence")).to_have_text(sentence)
    chips = guest.page.locator("#digits li")
    expect(chips).to_have_text([re.compile(r"^7.*%$"), re.compile(r"^4.*%$"), "?no digit"])
    expect(chips.and_(guest.page.locator(".refused"))).to_have_count(2)
    expect(chips.last).to_have_attribute("title", "This is not a digit.")
    expect(guest.page.locator("#boxes .refused")).to_have_count(2)
    expect(guest.page.locator("#say")).to_have_text(f"74? {sentence}")


def test_a_server_without_explanations(guest: Visit) -> None:
    def without(route: Route) -> None:
        document = route.fetch().json()
        for prediction in document["predictions"]:
            prediction.pop("saliency", None)
            prediction.pop("steps", None)
        route.fulfill(json=document)

    guest.page.route(EXPLAINED, without)
    draw_digit(guest.page, 1)
    expect(guest.page.locator("#unexplained")).to_contain_text("does not explain")
    expect(guest.page.locator("#seen")).to_be_visible()
    expect(guest.page.locator("#steps")).to_be_hidden()
