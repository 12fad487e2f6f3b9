"""A hand that draws with the mouse, along stored strokes."""

from collections.abc import Sequence

from playwright.sync_api import Page

from training import strokes

NO_DIGIT = "\N{EN DASH}"  # on the page, in place of a digit
LETTER_A, LETTER_X = strokes.LETTERS[0], strokes.LETTERS[7]
TANGLE = ("0,20 100,0 5,40 95,30 0,65 100,55 10,90 90,80 30,5 60,100 80,0 20,95",)
SCRIBBLES = {"letter": LETTER_A, "cross": LETTER_X, "tangle": TANGLE}  # what both readers refuse
Place = tuple[float, float]  # in parts of the paper's height


def draw_stroke(page: Page, places: Sequence[Place]) -> None:
    """From the first place to the last with the button down."""
    box = page.locator("#pad").bounding_box()
    assert box is not None
    at = [(box["x"] + x * box["height"], box["y"] + y * box["height"]) for x, y in places]
    page.mouse.move(*at[0])
    page.mouse.down()
    for place in at[1:]:
        page.mouse.move(*place)
    page.mouse.up()


def draw_digit(page: Page, digit: int, middle: float = 0.5, size: float = 0.64) -> None:
    """One of training's digits, with a slight slant."""
    draw_curves(page, strokes.DIGITS[digit], middle, size)


def draw_curves(page: Page, curves: Sequence[str], middle: float = 0.5, size: float = 0.64) -> None:
    """A character in the notation of training's strokes."""
    for curve in curves:
        points = strokes.smooth(strokes.parse(curve), 6) - 0.5
        slanted = points @ [[0.85 * size, 0], [-0.1 * size, size]] + [middle, 0.5]
        draw_stroke(page, slanted.tolist())


def draw_with_pen(page: Page, places: Sequence[Place], force: float) -> None:
    """A stroke as draw_stroke's, of a stylus that is pressed with a force of 0 to 1."""
    box = page.locator("#pad").bounding_box()
    assert box is not None
    session = page.context.new_cdp_session(page)
    kinds = ["mousePressed", *["mouseMoved"] * (len(places) - 2), "mouseReleased"]
    for kind, (x, y) in zip(kinds, places, strict=True):
        at = {"x": box["x"] + x * box["height"], "y": box["y"] + y * box["height"]}
        held = {"button": "left", "buttons": 1, "clickCount": 1, "pointerType": "pen", "force": force}
        session.send("Input.dispatchMouseEvent", {"type": kind} | at | held)
