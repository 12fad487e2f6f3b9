"""What lies in a picture of a number, without any model: lines, strips, marks, and what is refused."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from service.errors import UnusableInput
from service.imaging import Writing, decode, find_strips, normalise, reduced_by
from service.imaging.normalise import SOLID
from service.imaging.segment import Strip, part
from training import strokes

PAPER, PEN = 240, 40
SIDE = 60


def written(text: str, gap: int = 0, seed: int = 3) -> np.ndarray:
    """Dark digits on light paper, each in a square of 60 pixels."""
    rng = np.random.default_rng(seed)
    ink = np.concatenate([np.pad(strokes.draw(int(d), rng, size=SIDE), ((20, 20), (gap, gap))) for d in text], axis=1)
    return (PAPER - np.pad(ink, ((0, 0), (20, 20))) * ((PAPER - PEN) / 255)).astype(np.uint8)


def columns(strip: Strip) -> list[tuple[int, int]]:
    """Where the strip's ink begins and ends, gap by gap."""
    inked = np.concatenate([[False], (strip.image >= SOLID).any(axis=0), [False]])
    edges = np.flatnonzero(inked[1:] != inked[:-1]).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))


def boxes_of(writing: Writing) -> list[tuple[int, int, int, int]]:
    """The boxes of what stands apart on the strips."""
    return [
        each.box
        for strip in writing.strips
        for each in part(strip, [(first + last) / 2 for first, last in columns(strip)])
    ]


def drawn_on(picture: np.ndarray) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.fromarray(picture)
    return image, ImageDraw.Draw(image)


def test_digits_apart_have_boxes_of_their_own() -> None:
    writing = find_strips(written("9027"))
    [strip] = writing.strips
    assert strip.image.shape == (32, 320)
    boxes = boxes_of(writing)
    assert [(left + width / 2) // SIDE for left, _, width, _ in boxes] == [0, 1, 2, 3]
    assert all(top >= 20 and top + height <= 80 for _, top, _, height in boxes)
    assert not writing.marks


@pytest.mark.parametrize("size", [0.4, 1, 4])
def test_digits_of_a_strip_are_as_high_as_those_of_mnist(size: float) -> None:
    picture = Image.fromarray(written("356"))
    scaled = picture.resize((round(picture.width * size), round(picture.height * size)), Image.Resampling.BOX)
    [strip] = find_strips(np.asarray(scaled)).strips
    rows = np.flatnonzero((strip.image >= 128).any(axis=1))
    assert 18 <= rows[-1] + 1 - rows[0] <= 22
    assert abs((rows[0] + rows[-1] + 1) / 2 - 16) <= 1.5
    assert len(columns(strip)) == 3


@pytest.mark.parametrize("digit", range(10))
def test_a_digit_that_stands_alone_is_framed_as_a_single_one_is(digit: int) -> None:
    picture = written(str(digit))
    [strip] = find_strips(picture).strips
    [(_, image)] = part(strip, [16.0])
    assert np.abs(image.astype(int) - normalise(picture)).mean() < 5


def test_digits_that_touch_have_no_images_of_their_own() -> None:
    image, pen = drawn_on(written("352"))
    pen.line((40, 62, 110, 62), fill=PEN, width=5)
    [strip] = find_strips(np.asarray(image)).strips
    middles = [8 + (SIDE * place + 30 - 10) / 3 for place in range(3)]
    assert [each.image is None for each in part(strip, middles)] == [True, True, False]


def test_light_ink_on_dark_is_the_same() -> None:
    picture = written("356")
    found, expected = boxes_of(find_strips(255 - picture)), boxes_of(find_strips(picture))
    assert np.abs(np.array(found) - expected).max() <= 2


@pytest.mark.parametrize("degrees", [-8, 8])
def test_a_slanting_line_is_made_level(degrees: float) -> None:
    turned = Image.fromarray(written("9024756")).rotate(degrees, expand=True, fillcolor=PAPER)
    [strip] = find_strips(np.asarray(turned)).strips
    rows = np.flatnonzero((strip.image >= 128).any(axis=1))
    assert rows[-1] + 1 - rows[0] <= 26
    tops = [top for _, top, *_ in boxes_of(Writing([strip], []))]
    assert (tops[0] - tops[-1]) * np.sign(degrees) > 30  # boxes are those of the picture, which is not level


def test_a_long_line_is_cut_between_digits() -> None:
    text = "90247563108642975310"
    strips = find_strips(written(text)).strips
    assert len(strips) > 1
    assert {strip.line for strip in strips} == {0}
    assert sum(len(columns(strip)) for strip in strips) == len(text)
    lefts = [left for left, *_ in boxes_of(Writing(strips, []))]
    assert [(left - 10) // SIDE for left in lefts] == list(range(len(text)))


def test_thin_strokes_are_widened() -> None:
    image, pen = drawn_on(np.full((200, 600), PAPER, np.uint8))
    for left in (40, 240, 440):
        pen.line((left, 20, left + 60, 180), fill=PEN, width=2)
    [strip] = find_strips(np.asarray(image)).strips
    assert strip.image.max() > 200


def test_lines_are_told_apart_from_top_to_bottom() -> None:
    writing = find_strips(np.concatenate([written("902"), written("475")]))
    assert [strip.line for strip in writing.strips] == [0, 1]
    tops = [top for _, top, *_ in boxes_of(writing)]
    assert max(tops[:3]) < 100 <= min(tops[3:])


def test_a_broken_digit_is_one_on_one_line() -> None:
    broken = written("3902")
    broken[46:50, 20:80] = PAPER  # a gap between the upper and the lower half of the first digit
    [strip] = find_strips(broken).strips
    assert len(columns(strip)) == 4


def test_slanting_lines_stay_lines() -> None:
    lines = Image.fromarray(np.concatenate([written("9024756"), written("4751230")]))
    turned = np.asarray(lines.rotate(4, expand=True, fillcolor=PAPER))
    assert {strip.line for strip in find_strips(turned).strips} == {0, 1}


@pytest.mark.parametrize("ruling", ["line", "line through", "boxes", "comb", "frame"])
def test_ruled_lines_are_no_ink(ruling: str) -> None:
    plain = written("90217")
    image, pen = drawn_on(plain)
    height, width = plain.shape
    if ruling == "line":
        pen.line((0, 88, width, 90), fill=90, width=2)
    elif ruling == "line through":
        pen.line((0, 64, width, 64), fill=90, width=2)
    elif ruling == "frame":
        pen.rectangle((4, 8, width - 5, height - 9), outline=90, width=2)
    for digit in range(5) if ruling in ("boxes", "comb") else ():
        left, right = 20 + digit * SIDE + (ruling == "boxes") * 3, 20 + (digit + 1) * SIDE
        pen.rectangle((left, 15, right, 85), outline=90, width=2)
    found, expected = boxes_of(find_strips(np.asarray(image))), boxes_of(find_strips(plain))
    assert len(found) == len(expected) == 5
    assert np.abs(np.array(found) - expected).max() <= 4


def test_a_square_nought_is_no_frame() -> None:
    picture = np.full((100, 200), PAPER, np.uint8)
    image, pen = drawn_on(picture)
    pen.rectangle((30, 20, 65, 80), outline=PEN, width=5)
    pen.rectangle((130, 20, 165, 80), outline=PEN, width=5)
    assert len(boxes_of(find_strips(np.asarray(image)))) == 2


def test_points_and_minus_signs_are_marks() -> None:
    image, pen = drawn_on(written("90", gap=6))
    pen.line((6, 50, 24, 50), fill=PEN, width=4)
    pen.ellipse((89, 66, 95, 72), fill=PEN)
    writing = find_strips(np.asarray(image))
    assert [mark.sign for mark in sorted(writing.marks, key=lambda mark: mark.box)] == ["-", "."]
    assert len(boxes_of(writing)) == 2


@pytest.mark.parametrize(
    "empty",
    [
        np.full((80, 300), PAPER, np.uint8),
        np.zeros((80, 300), np.uint8),
        np.full((1, 1), 7, np.uint8),
        np.random.default_rng(0).integers(0, 256, (80, 300)).astype(np.uint8),
        np.tile(np.linspace(90, 200, 300), (80, 1)).astype(np.uint8),
    ],
    ids=["paper", "black", "pixel", "noise", "shade"],
)
def test_without_ink_there_are_no_strips(empty: np.ndarray) -> None:
    assert find_strips(empty) == ([], [])


def test_a_texture_is_refused_before_it_costs_much() -> None:
    chequers = np.kron(np.indices((200, 300)).sum(axis=0) % 2, np.ones((3, 3))).astype(np.uint8) * 255
    with pytest.raises(UnusableInput):
        find_strips(chequers)


def test_a_page_full_of_digits_is_refused() -> None:
    with pytest.raises(UnusableInput, match="1 to 20 digits"):
        find_strips(np.concatenate([written("902475631")] * 6))


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("turn", [1, 6])
def test_boxes_can_be_put_back_on_the_picture(kind: str, turn: int) -> None:
    picture = Image.new("L", (3000, 1200), PAPER)
    exif = Image.Exif()
    exif[0x0112] = turn
    file = io.BytesIO()
    picture.save(file, kind, exif=exif)
    grey = decode(file.getvalue(), 10_000_000)
    width, height = reduced_by(file.getvalue(), grey)
    upright = (3000, 1200) if turn == 1 else (1200, 3000)
    assert (round(width * grey.shape[1]), round(height * grey.shape[0])) == upright
