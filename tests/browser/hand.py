"""A hand that draws with the mouse, along stored strokes."""

from collections.abc import Sequence

from playwright.sync_api import Page

from training import strokes

NO_DIGIT = "\N{EN DASH}"  # on the page, in place of a digit
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


def draw_letter_a(page: Page) -> None:
    """What both readers refuse."""
    draw_curves(page, strokes.LETTERS[0], 0.5, 0.64)


def draw_curves(page: Page, curves: Sequence[str], middle: float, size: float) -> None:
    """A character in the notation of training's strokes."""
    for curve in curves:
        points = strokes.smooth(strokes.parse(curve), 6) - 0.5
        slanted = points @ [[0.85 * size, 0], [-0.1 * size, size]] + [middle, 0.5]
        draw_stroke(page, slanted.tolist())
