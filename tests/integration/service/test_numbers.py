"""POST /v1/numbers, through a real server."""

import base64
import io
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from pydantic import TypeAdapter

from service import schemas
from tests.servers import REPOSITORY, Server
from training import numbers, strokes

PNG = {"content-type": "image/png"}
SIDE = 60
APART, TOUCHING = 97, 85  # per cent


def picture(*lines: str, seed: int = 3) -> Image.Image:
    """Dark digits on light paper, 60 pixels from one to the next."""
    rng = np.random.default_rng(seed)
    width = max(map(len, lines)) * SIDE
    rows = []
    for line in lines:
        ink = np.concatenate([strokes.draw(int(digit), rng, size=SIDE) for digit in line], axis=1)
        rows.append(np.pad(ink, ((20, 20), (20, 20 + width - ink.shape[1]))))
    return Image.fromarray((240 - np.concatenate(rows) * 0.8).astype(np.uint8))


def joined(text: str) -> np.ndarray:
    """Light digits on dark, each moved until its strokes meet those before it."""
    rng = np.random.default_rng(5)
    line = np.zeros((32, 2), np.float32)
    for digit in text:
        line = numbers.append(line, strokes.draw(int(digit), rng).astype(np.float32), 2, None)
    return np.pad(line, 12).repeat(3, axis=0).repeat(3, axis=1).astype(np.uint8)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def read(server: Server, content: bytes, **query: object) -> dict:
    answer = server.client.post("/v1/numbers", params=query, content=content, headers=PNG)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_number_is_read_with_its_places(server: Server) -> None:
    answer = read(server, encoded(picture("90210")))
    assert answer["text"] == "90210"
    assert answer["model"]["name"] == "line"
    assert answer["accepted"]
    for place, digit in enumerate(answer["digits"]):
        left, top, width, height = digit["box"]
        assert 20 + SIDE * place <= left
        assert left + width <= 20 + SIDE * (place + 1)
        assert top >= 20
        assert top + height <= 80
        assert 0.5 < digit["confidence"] <= 1


def test_the_answer_is_what_the_document_says(server: Server) -> None:
    answer = server.client.post("/v1/numbers", content=encoded(picture("37")), headers=PNG)
    document = TypeAdapter(schemas.NumberAnswer).validate_json(answer.content)
    assert [digit.line for digit in document.digits] == [0, 0]
    assert document.accepted == all(digit.accepted for digit in document.digits)
    assert all(milliseconds >= 0 for milliseconds in document.timing_ms.model_dump().values())


def test_lines_are_joined_by_a_line_feed(server: Server) -> None:
    answer = read(server, encoded(picture("90210", "347")))
    assert answer["text"] == "90210\n347"
    assert [digit["line"] for digit in answer["digits"]] == [0] * 5 + [1] * 3


def test_every_way_in_gives_the_same_text(server: Server) -> None:
    content = encoded(picture("4096"))
    text = base64.b64encode(content).decode()
    answers = [
        server.client.post("/v1/numbers", files={"image": ("x.png", content, "image/png")}),
        server.client.post("/v1/numbers", json={"image": text}),
        server.client.post("/v1/numbers", json={"image": "data:image/png;base64," + text}),
        server.client.post("/v1/numbers", content=content, headers={"content-type": "application/octet-stream"}),
    ]
    assert [answer.json().get("text") for answer in answers] == ["4096"] * 4


def test_boxes_are_places_of_the_picture_that_was_sent(server: Server) -> None:
    small = picture("4096")
    large = small.resize((small.width * 6, small.height * 6))  # large enough to be reduced
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = encoded(large.transpose(Image.Transpose.ROTATE_90), exif=exif)
    boxes = [[digit["box"] for digit in read(server, content)["digits"]] for content in (encoded(small), turned)]
    assert np.abs(6 * np.array(boxes[0]) - boxes[1]).max() <= 18


def test_marks_are_read_where_they_are_asked_for(server: Server) -> None:
    image = picture("90210")
    pen = ImageDraw.Draw(image)
    pen.ellipse((136, 66, 142, 72), fill=40)
    pen.line((3, 50, 16, 50), fill=40, width=4)
    content = encoded(image)
    assert read(server, content)["text"] == "90210"
    assert read(server, content)["marks"] == []
    assert read(server, content, decimal="true")["text"] == "90.210"
    answer = read(server, content, decimal="true", minus="true")
    assert answer["text"] == "-90.210"
    assert {mark["mark"] for mark in answer["marks"]} == {".", "-"}


def test_a_form_with_boxes_is_read(server: Server) -> None:
    image = picture("90210")
    pen = ImageDraw.Draw(image)
    for place in range(5):
        pen.rectangle((20 + SIDE * place, 17, 20 + SIDE * (place + 1), 83), outline=110, width=2)
    assert read(server, encoded(image))["text"] == "90210"


def test_digits_that_touch_are_told_apart(server: Server) -> None:
    content = encoded(Image.fromarray(255 - joined("53827")))
    answer = read(server, content)
    assert answer["text"] == "53827"
    lefts = [digit["box"][0] for digit in answer["digits"]]
    assert lefts == sorted(lefts)
    assert min(np.diff(lefts)) > 8


def test_a_falling_line_is_read(server: Server) -> None:
    turned = picture("902417").rotate(-8, expand=True, fillcolor=240)
    assert read(server, encoded(turned))["text"] == "902417"


def test_a_long_line_is_read_in_one(server: Server) -> None:
    text = "31415926535897932384"
    answer = read(server, encoded(picture(text)))
    assert (answer["text"], {digit["line"] for digit in answer["digits"]}) == (text, {0})


def test_what_is_no_digit_is_marked_so(server: Server) -> None:
    rng = np.random.default_rng(2)
    tangle = strokes.ink_curves([rng.uniform(0, 1, (12, 2))], rng, SIDE)
    image = np.asarray(picture("9027")).copy()
    image[20 : 20 + SIDE, 20 + SIDE : 20 + 2 * SIDE] = (240 - tangle * 0.8).astype(np.uint8)
    answer = read(server, encoded(Image.fromarray(image)))
    assert answer["text"] == "9?27"
    assert (answer["accepted"], answer["reason"]) == (False, "not_a_digit")
    assert answer["digits"][1]["digit"] is None


def test_an_empty_field_is_an_answer(server: Server) -> None:
    answer = read(server, encoded(Image.new("L", (300, 80), 255)))
    assert (answer["text"], answer["digits"], answer["accepted"], answer["reason"]) == ("", [], False, "blank")


def test_too_many_digits_are_refused(server: Server) -> None:
    content = encoded(picture("123456789", "123456789", "123456789"))
    answer = server.client.post("/v1/numbers", content=content, headers=PNG)
    assert answer.status_code == 422
    assert answer.json()["code"] == "unusable_input"
    assert "1 to 20 digits" in answer.json()["error"]


def test_a_texture_is_refused(server: Server) -> None:
    chequers = np.kron(np.indices((300, 300)).sum(axis=0) % 2, np.ones((3, 3))).astype(np.uint8) * 255
    answer = server.client.post("/v1/numbers", content=encoded(Image.fromarray(chequers)), headers=PNG)
    assert answer.status_code == 422
    assert answer.json()["code"] == "unusable_input"


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        ({"content": b"", "headers": PNG}, 415, "not_an_image"),
        ({"content": b"%PDF-1.7", "headers": PNG}, 415, "not_an_image"),
        ({"content": encoded(picture("12"))[:150], "headers": PNG}, 400, "invalid_image"),
        ({"content": b"x", "headers": {"content-type": "text/plain"}}, 415, "not_an_image"),
        ({"json": {"image": 7}}, 400, "invalid_input"),
        ({"json": {"image": "&"}}, 400, "invalid_input"),
        ({"json": {"images": []}}, 400, "invalid_input"),
        ({"files": {"picture": encoded(picture("12"))}}, 400, "invalid_input"),
        ({"files": [("image", encoded(picture("12")))] * 2}, 413, "too_large"),
        ({"content": b"", "headers": PNG, "params": {"decimal": "maybe"}}, 400, "invalid_input"),
        ({"content": b"", "headers": PNG, "params": {"top_k": "3"}}, 400, "invalid_input"),
        ({"content": b"", "headers": PNG, "params": {"model": "gate-and"}}, 404, "unknown_model"),
        ({"content": b"", "headers": PNG, "params": {"model": "cnn"}}, 404, "unknown_model"),
    ],
)
def test_bad_requests_get_the_one_error_shape(server: Server, request_: dict, status: int, code: str) -> None:
    answer = server.client.post("/v1/numbers", **request_)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    TypeAdapter(schemas.Error).validate_json(answer.content)


@pytest.mark.mnist
@pytest.mark.timeout(600)
def test_composed_numbers_of_the_test_split_are_read(server: Server, mnist: Path) -> None:
    command = [sys.executable, "-m", "training", "evaluate", "line", "--url", server.url, "--data", str(mnist)]
    done = subprocess.run([*command, "--numbers", "400"], cwd=REPOSITORY, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    apart, touching = (float(share) for share in re.findall(r"([\d.]+)% of 400 numbers", done.stdout))
    assert apart >= APART
    assert touching >= TOUCHING
