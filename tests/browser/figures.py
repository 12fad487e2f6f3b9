"""Takes the pictures of the page that the README and docs/page.md show: `python -m tests.browser.figures`.

It draws the same digits with the same hand as the tests; the typeface is Inter where the machine has it.
"""

import io
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, FloatRect, Page, ViewportSize, expect, sync_playwright

from tests.browser.conftest import ARGUMENTS
from tests.browser.hand import draw_digit
from tests.browser.visits import visit
from tests.servers import REPOSITORY, Server, serving

FIGURES = REPOSITORY / "docs" / "figures"
DESKTOP, PHONE = ViewportSize(width=1200, height=820), ViewportSize(width=390, height=844)
MARGIN = 48


def keep(picture: bytes, name: str) -> None:
    Image.open(io.BytesIO(picture)).convert("RGB").save(FIGURES / name, optimize=True)


def read_digit(page: Page, digit: int) -> None:
    draw_digit(page, digit)
    expect(page.locator(".verdict.rnn .digit")).to_have_text(str(digit))
    expect(page.locator("#say")).to_contain_text(f"RNN: {digit}")  # said when all is on screen


def main() -> None:
    program = shutil.which("chromium")
    if program is None:
        sys.exit("there is no Chromium here")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver, serving(Path(folder) / "log") as server:
        browser = driver.chromium.launch(executable_path=program, args=ARGUMENTS)
        take_reading(browser, server)
        take_number(browser, server)
        take_gates(browser, server)
        browser.close()


def take_reading(browser: Browser, server: Server) -> None:
    for name, size, scheme, digit in (
        ("page.png", DESKTOP, "light", 3),
        ("page-dark.png", DESKTOP, "dark", 5),
        ("page-phone.png", PHONE, "light", 2),
    ):
        with browser.new_context(viewport=size, color_scheme=scheme) as context:
            page = visit(context, server).page
            read_digit(page, digit)
            keep(page.screenshot(animations="disabled"), name)


def take_number(browser: Browser, server: Server) -> None:
    """Digits that touch, with their boxes."""
    with browser.new_context(viewport=DESKTOP) as context:
        page = visit(context, server).page
        page.get_by_label("A number").check()
        for place, digit in enumerate((9, 0, 2, 1, 0)):
            draw_digit(page, digit, middle=0.5 + 0.36 * place, size=0.5)
        expect(page.locator("#say")).to_contain_text("90210")  # said when all is on screen
        keep(page.screenshot(animations="disabled"), "page-number.png")


def take_gates(browser: Browser, server: Server) -> None:
    with browser.new_context(viewport=DESKTOP) as context:
        page = visit(context, server).page
        page.locator("#a").click()
        expect(page.locator("#lamp")).to_have_class("on")
        page.locator("#gates").scroll_into_view_if_needed()
        box = page.locator("#gates").bounding_box()
        assert box is not None
        clip = FloatRect(x=box["x"] - MARGIN, y=box["y"], width=box["width"] + 2 * MARGIN, height=box["height"])
        keep(page.screenshot(clip=clip, animations="disabled"), "page-gates.png")


if __name__ == "__main__":
    main()
