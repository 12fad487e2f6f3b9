"""A visit to the page: what it says in the console and whom it asks is kept."""

import base64
import io
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import BrowserContext, Page

from tests.servers import Server

UNANSWERED = "Failed to load resource"  # Chromium's own words for a status of 400 and more, or for no answer


@dataclass
class Visit:
    """A page and its record."""

    page: Page
    errors: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    def watch(self) -> None:
        """Keeps errors of scripts and of the console, and the host of every request."""
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda line: line.type in ("error", "warning") and self.errors.append(line.text))
        self.page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))

    def forgive_refusals(self) -> None:
        """Takes what Chromium says of answers that were meant to fail off the record."""
        self.errors = [error for error in self.errors if not error.startswith(UNANSWERED)]

    def drop(self, path: Path, kind: str) -> None:
        """As if a file was dragged onto the page."""
        self.page.evaluate(
            """async ([bytes, name, type]) => {
              const data = new DataTransfer();
              data.items.add(new File([new Uint8Array(bytes)], name, { type }));
              const paper = document.getElementById("paper");
              paper.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true }));
            }""",
            [list(path.read_bytes()), path.name, kind],
        )

    def pixels(self, canvas: str) -> NDArray[np.uint8]:
        """Red, green, blue and alpha of what a canvas shows: uint8[H, W, 4]."""
        url: str = self.page.locator(canvas).evaluate("(it) => it.toDataURL('image/png')")
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGBA"))

    def boxes(self) -> list[dict[str, float]]:
        """Where the digits of a number are framed, all at one moment: x, y, width and height on the screen."""
        read = "[...document.querySelectorAll('#boxes i')].map((it) => it.getBoundingClientRect().toJSON())"
        found: list[dict[str, float]] = self.page.evaluate(read)  # not evaluate_all, which finds first and then asks
        return found


def visit(context: BrowserContext, server: Server) -> Visit:
    """Opens the page and waits until its models and gates are there."""
    opened = Visit(context.new_page())
    opened.watch()
    opened.page.goto(f"{server.url}/ui/")
    opened.page.locator("#listing tbody tr").first.wait_for()
    opened.page.locator("#truth .here").wait_for()
    return opened
