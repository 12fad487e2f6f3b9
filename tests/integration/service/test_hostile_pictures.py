"""Broken, odd and malicious pictures through the HTTP door: a clear answer, no 500, bounded time and memory."""

import io
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.malformed import bomb
from tests.servers import Server
from training.strokes import draw

ANY = {"content-type": "application/octet-stream"}
REFUSALS = {400: "invalid_image", 413: "too_large", 415: "not_an_image"}
SLOWEST_S = 5.0  # on the wall, on a busy machine; none takes a tenth of that on an idle one
GROWTH_BYTES = 220_000_000  # of a worker while it reads: 40 megapixels in colour are 160 MB, and one is read at a time
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def digit(size: int = 40) -> Image.Image:
    return Image.fromarray(255 - draw(3, np.random.default_rng(3), size))


def ask(server: Server, data: bytes) -> dict:
    """The answer: a prediction, or an error of the one shape with a status and a code that belong together."""
    began = time.monotonic()
    answer = server.client.post("/v1/digits", content=data, headers=ANY)
    assert time.monotonic() - began < SLOWEST_S
    document = answer.json()
    if answer.status_code == 200:
        return document["predictions"][0]
    assert REFUSALS.get(answer.status_code) == document["code"], answer.text
    assert document["error"].isprintable()
    return document


def resident_bytes(server: Server) -> int:
    """The most that the workers have held, all together (VmHWM)."""
    return 1024 * sum(_peak_kib(pid) for pid in server.worker_pids())


def _peak_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_cut_off_anywhere_is_read_or_refused(server: Server, kind: str) -> None:
    data = encoded(digit(), kind)
    answers = [ask(server, data[:length]) for length in range(0, len(data), max(1, len(data) // 40))]
    assert answers[0]["code"] == "not_an_image"
    assert {answer.get("code", "read") for answer in answers} <= {"read", *REFUSALS.values()}
    assert sum("code" in answer for answer in answers) > len(answers) / 2


ODDITIES = {
    "an animated GIF": (encoded(digit(), "GIF", save_all=True, append_images=[digit().rotate(90)] * 3), 3),
    "an animated WebP": (encoded(digit(), "WEBP", save_all=True, append_images=[digit().rotate(90)] * 3), 3),
    "CMYK": (encoded(digit().convert("RGB").convert("CMYK"), "JPEG"), 3),
    "one bit": (encoded(digit().convert("1", dither=Image.Dither.NONE), "PNG"), 3),
    "a palette": (encoded(digit().convert("RGB").quantize(3), "PNG"), 3),
    "16 bits": (encoded(Image.fromarray(np.asarray(digit()).astype(np.uint16) * 257), "PNG"), 3),
    "strokes on nothing": (
        encoded(Image.merge("LA", (Image.new("L", (40, 40)), digit().point(range(255, -1, -1)))), "PNG"),
        3,
    ),
    "100,000 x 1": (encoded(Image.new("L", (100_000, 1), 255), "PNG"), "blank"),
    "1 x 100,000": (encoded(Image.new("L", (1, 100_000), 255), "PNG"), "blank"),
    "white": (encoded(Image.new("L", (200, 200), 255), "PNG"), "blank"),
    "black": (encoded(Image.new("L", (200, 200), 0), "JPEG"), "blank"),
    "grain": (
        encoded(Image.fromarray(np.random.default_rng(0).normal(128, 12, (200, 300)).astype(np.uint8)), "PNG"),
        "blank",
    ),
    "no bytes": (b"", "not_an_image"),
    "text called a picture": (b"These are words, in a file called seven.png", "not_an_image"),
    "a picture of a strange format": (encoded(digit(), "PPM"), "not_an_image"),
    "a bomb": (bomb(50_000, 50_000), "too_large"),
    "a long bomb": (bomb(2**31 - 1, 1), "too_large"),
}


@pytest.mark.parametrize("name", ODDITIES)
def test_an_odd_picture_is_read_or_refused_with_the_right_reason(server: Server, name: str) -> None:
    data, expected = ODDITIES[name]
    answer = ask(server, data)
    assert expected in (answer.get("code"), answer.get("reason"), answer.get("digit"))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(FORMATS),
    edits=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=4)), max_size=6),
    kept=st.floats(0, 1),
    more=st.binary(max_size=40),
)
def test_no_file_brings_the_door_down(server: Server, kind: str, edits: list, kept: float, more: bytes) -> None:
    data = bytearray(encoded(digit(24), kind))
    for place, patch in edits:
        at = int(place * len(data))
        data[at : at + len(patch)] = patch
    ask(server, bytes(data) + more)
    ask(server, bytes(data[: int(kept * len(data))]) + more)


def test_the_largest_picture_that_is_let_in_costs_bounded_memory(server: Server) -> None:
    ask(server, encoded(digit(), "PNG"))
    workers, before = server.worker_pids(), resident_bytes(server)
    for mode in ("L", "RGB", "RGBA", "1"):
        assert ask(server, encoded(Image.new(mode, (8000, 5000)), "PNG"))["reason"] == "blank"
    assert resident_bytes(server) - before < len(workers) * GROWTH_BYTES
    assert server.worker_pids() == workers
