"""Who has no mouse, no sight of the bars, a small screen, or the dark."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.hand import LETTER_A, LETTER_X, NO_DIGIT, draw_curves, draw_digit
from tests.browser.visits import Visit

PHONE = {"viewport": {"width": 360, "height": 740}, "device_scale_factor": 3, "has_touch": True, "is_mobile": True}
DESKTOP = {"viewport": {"width": 1200, "height": 900}}
LOOKS = [DESKTOP, DESKTOP | {"color_scheme": "dark"}, PHONE, PHONE | {"color_scheme": "dark"}]
NAMES = ["light", "dark", "phone", "dark phone"]
SEVEN = ["ArrowLeft"] * 5 + [" "] + ["ArrowRight"] * 10 + ["ArrowDown", "ArrowDown", "ArrowLeft"] * 7 + [" "]


def shortcomings(guest: Visit) -> str:
    results = Axe().run(guest.page)
    return results.generate_report() if results.violations_count else ""


@pytest.mark.parametrize("context", LOOKS, ids=NAMES, indirect=True)
def test_the_accessibility_rules_hold(guest: Visit) -> None:
    assert shortcomings(guest) == ""
    draw_digit(guest.page, 8)
    expect(guest.page.locator(".verdict.cnn .digit")).to_have_text("8")
    expect(guest.page.locator("#seen")).to_be_visible()
    guest.page.locator("#b").click()
    expect(guest.page.locator("#lamp")).to_have_class("on")
    assert shortcomings(guest) == ""
    guest.page.locator("#clear").click()
    guest.page.get_by_label("A number").check()
    assert shortcomings(guest) == ""


@pytest.mark.parametrize("context", LOOKS, ids=NAMES, indirect=True)
def test_the_accessibility_rules_hold_where_something_is_refused(guest: Visit) -> None:
    draw_curves(guest.page, LETTER_X)
    expect(guest.page.locator(".verdict.refused")).to_have_count(2)
    assert shortcomings(guest) == ""
    guest.page.locator("#clear").click()
    guest.page.get_by_label("A number").check()
    draw_curves(guest.page, LETTER_X, middle=0.6, size=0.5)
    expect(guest.page.locator("#digits .refused")).to_have_count(1)
    assert shortcomings(guest) == ""
    guest.page.route("**/v1/numbers", lambda route: route.abort())
    draw_curves(guest.page, LETTER_A, middle=1.2, size=0.5)
    expect(guest.page.locator("#silence")).to_be_visible()
    assert shortcomings(guest) == ""
    guest.forgive_refusals()


@pytest.mark.parametrize("context", [PHONE], ids=["phone"], indirect=True)
def test_a_phone_scrolls_down_only(guest: Visit) -> None:
    draw_digit(guest.page, 3)
    expect(guest.page.locator(".verdict.cnn .digit")).to_have_text("3")
    for gate in ("AND", "XOR"):
        guest.page.get_by_role("radio", name=gate, exact=True).check()
        assert guest.page.evaluate("document.documentElement.scrollWidth") <= 360
    guest.page.get_by_label("A number").check()
    draw_digit(guest.page, 3, middle=0.5, size=0.4)
    expect(guest.page.locator("#text")).to_contain_text("3")
    assert guest.page.evaluate("document.documentElement.scrollWidth") <= 360
    small = "(them) => them.filter((it) => it.offsetParent && it.offsetHeight < 32).map((it) => it.textContent)"
    assert guest.page.locator("button").evaluate_all(small) == []


@pytest.mark.parametrize("context", [PHONE], ids=["phone"], indirect=True)
def test_a_finger_draws_and_does_not_scroll(guest: Visit) -> None:
    box = guest.page.locator("#pad").bounding_box()
    assert box is not None
    session = guest.page.context.new_cdp_session(guest.page)
    places = [{"x": box["x"] + 180, "y": box["y"] + 40 + 12 * step} for step in range(21)]
    session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": places[:1]})
    for place in places[1:]:
        session.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [place]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    expect(guest.page.locator(".verdict.cnn .digit")).to_have_text("1")
    assert guest.page.evaluate("scrollY") == 0


def tab_to(guest: Visit, name: str) -> None:
    for _ in range(40):
        guest.page.keyboard.press("Tab")
        if guest.page.evaluate("document.activeElement.id") == name:
            return
    raise AssertionError(f"Tab does not reach #{name}")


def test_the_keyboard_alone_draws_reads_and_flips(guest: Visit) -> None:
    tab_to(guest, "pad")
    expect(guest.page.locator("#pad-keys")).to_be_visible()
    for key in SEVEN:
        guest.page.keyboard.press(key)
    expect(guest.page.locator(".verdict.cnn .digit")).to_have_text("7")
    guest.page.keyboard.press("Escape")
    expect(guest.page.locator(".verdict.cnn .digit")).to_have_text(NO_DIGIT)
    tab_to(guest, "b")
    guest.page.keyboard.press("Space")
    expect(guest.page.locator("#lamp b")).to_have_text("1")


def test_the_keyboard_alone_chooses_what_to_read_and_which_gate(guest: Visit) -> None:
    guest.page.get_by_label("One digit").focus()
    guest.page.keyboard.press("ArrowRight")
    expect(guest.page.get_by_label("A number", exact=True)).to_be_checked()
    tab_to(guest, "pad")
    for key in SEVEN:
        guest.page.keyboard.press(key)
    expect(guest.page.locator("#text")).to_have_text("7")
    guest.page.get_by_role("radio", name="XOR", exact=True).focus()
    guest.page.keyboard.press("ArrowLeft")
    expect(guest.page.locator(".curl[data-for=gates]")).to_contain_text("/v1/gates/nor")


def test_everything_that_can_be_pressed_can_be_reached(guest: Visit) -> None:
    """By Tab, in the order of the page; of radio buttons the chosen one."""
    pressed = "a, button:not([hidden] *), [tabindex='0'], input:checked"
    expected = guest.page.locator(pressed).evaluate_all("(them) => (window.them = them).map((it) => it.outerHTML)")
    reached = []
    for _ in expected:
        guest.page.keyboard.press("Tab")
        reached.append(guest.page.evaluate("window.them.indexOf(document.activeElement)"))
    assert reached == list(range(len(expected))), [
        expected[place] for place in set(range(len(expected))) - set(reached)
    ]
    assert len(expected) > 20


def test_the_answer_is_said_once_the_pen_rests(guest: Visit) -> None:
    draw_digit(guest.page, 0)
    status = guest.page.get_by_role("status").and_(guest.page.locator("#say"))
    expect(status).to_contain_text("CNN: 0")
    expect(status).to_contain_text("RNN: 0")
