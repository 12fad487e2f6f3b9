"""What imaging costs beside what Pillow alone takes to decode the same file; both are the best of many tries."""

import io
import time

import numpy as np
import pytest
from PIL import Image

from service.imaging import decode, normalise
from training.strokes import draw

MAX_PIXELS = 40_000_000


def encoded(picture, kind):
    file = io.BytesIO()
    picture.save(file, kind)
    return file.getvalue()


def seconds(work, tries):
    """The least processor time of one call."""
    times = []
    for _ in range(tries):
        began = time.thread_time()
        work()
        times.append(time.thread_time() - began)
    return min(times)


@pytest.fixture(scope="module")
def drawing():
    """512 x 512 grey pixels, as from a canvas."""
    return Image.fromarray(255 - draw(4, np.random.default_rng(4), 512))


def test_a_drawing_costs_about_as_much_to_normalise_as_to_decode(drawing):
    data = encoded(drawing, "PNG")
    pillow = seconds(lambda: Image.open(io.BytesIO(data)).load(), 60)
    grey = decode(data, MAX_PIXELS)
    assert seconds(lambda: decode(data, MAX_PIXELS), 60) < 1.6 * pillow
    assert seconds(lambda: normalise(grey), 60) < 2.4 * pillow


def test_a_small_picture_costs_less_than_a_drawing(drawing):
    small = encoded(Image.fromarray(draw(7, np.random.default_rng(1))), "PNG")
    large = encoded(drawing, "PNG")
    pillow = seconds(lambda: Image.open(io.BytesIO(large)).load(), 60)
    assert seconds(lambda: normalise(decode(small, MAX_PIXELS)), 100) < 1.4 * pillow


def test_a_large_photograph_costs_little_beyond_its_decoding():
    ink = Image.fromarray(255 - draw(5, np.random.default_rng(5), 1000))
    data = encoded(ink.resize((4000, 3000)).convert("RGB"), "JPEG")

    def draft():
        picture = Image.open(io.BytesIO(data))
        picture.draft("L", (1000, 750))
        picture.load()

    assert seconds(lambda: normalise(decode(data, MAX_PIXELS)), 5) < 1.5 * seconds(draft, 5)
