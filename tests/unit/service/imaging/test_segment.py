"""What lies in a picture of a number, without any model: lines, candidates, marks, and what is refused."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from service.errors import UnusableInput
from service.imaging import Lattice, decode, normalise, reduced_by, segment
from training import strokes

PAPER, PEN = 240, 40
SIDE = 60


def written(text: str, gap: int = 0, seed: int = 3) -> np.ndarray:
    """Dark digits on light paper, each in a square of 60 pixels."""
    rng = np.random.default_rng(seed)
    ink = np.concatenate([np.pad(strokes.draw(int(d), rng, size=SIDE), ((20, 20), (gap, gap))) for d in text], axis=1)
    return (PAPER - np.pad(ink, ((0, 0), (20, 20))) * ((PAPER - PEN) / 255)).astype(np.uint8)


def wholes(lattice: Lattice) -> list[tuple[int, int, int, int]]:
    """The boxes of the candidates that no other of their line holds, from left to right."""
    boxes = {candidate.box for candidate in lattice.candidates}
    return sorted(box for box in boxes if not any(holds(other, box) for other in boxes - {box}))


def holds(outer: tuple[int, ...], inner: tuple[int, ...]) -> bool:
    return all(
        outer[axis] <= inner[axis] and outer[axis] + outer[axis + 2] >= inner[axis] + inner[axis + 2] for axis in (0, 1)
    )


def drawn_on(picture: np.ndarray) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.fromarray(picture)
    return image, ImageDraw.Draw(image)


def test_digits_apart_are_candidates_by_themselves() -> None:
    lattice = segment(written("9027"))
    assert len(lattice.ends) == 1
    assert [left // SIDE for left, *_ in wholes(lattice)] == [0, 1, 2, 3]
    assert lattice.images.shape == (len(lattice.candidates), 28, 28)
    assert not lattice.marks


@pytest.mark.parametrize("digit", range(10))
def test_a_digit_is_framed_as_a_single_digit_is(digit: int) -> None:
    picture = written(str(digit))
    lattice = segment(picture)
    whole = max(range(len(lattice.candidates)), key=lambda number: lattice.candidates[number].ink)
    difference = np.abs(lattice.images[whole].astype(int) - normalise(picture))
    assert difference.mean() < 6, difference.mean()


def test_light_ink_on_dark_is_the_same() -> None:
    picture = written("356")
    found, expected = wholes(segment(255 - picture)), wholes(segment(picture))
    assert np.abs(np.array(found) - expected).max() <= 2


def test_touching_digits_are_cut_between_them() -> None:
    ink = written("35")
    narrow = np.delete(ink, np.s_[66:88], axis=1)
    narrow[58:62, 40:90] = PEN
    lattice = segment(narrow)
    assert len({candidate.end for candidate in lattice.candidates}) > 3
    assert any(0.3 < candidate.width < 1 and candidate.start == 0 for candidate in lattice.candidates)


def test_lines_are_told_apart_from_top_to_bottom() -> None:
    lattice = segment(np.concatenate([written("902"), written("475")]))
    assert len(lattice.ends) == 2
    tops = [[candidate.box[1] for candidate in lattice.candidates if candidate.line == line] for line in (0, 1)]
    assert max(tops[0]) < 100 <= min(tops[1])


def test_slanting_lines_stay_lines() -> None:
    lines = Image.fromarray(np.concatenate([written("9024756"), written("4751230")]))
    assert len(segment(np.asarray(lines.rotate(4, expand=True, fillcolor=PAPER))).ends) == 2


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
    found, expected = wholes(segment(np.asarray(image))), wholes(segment(plain))
    assert len(found) == len(expected) == 5
    assert np.abs(np.array(found) - expected).max() <= 4


def test_a_square_nought_is_no_frame() -> None:
    picture = np.full((100, 200), PAPER, np.uint8)
    image, pen = drawn_on(picture)
    pen.rectangle((30, 20, 65, 80), outline=PEN, width=5)
    pen.rectangle((130, 20, 165, 80), outline=PEN, width=5)
    assert len(wholes(segment(np.asarray(image)))) == 2


def test_points_and_minus_signs_are_marks() -> None:
    image, pen = drawn_on(written("90", gap=6))
    pen.line((6, 50, 24, 50), fill=PEN, width=4)
    pen.ellipse((89, 66, 95, 72), fill=PEN)
    lattice = segment(np.asarray(image))
    assert [mark.sign for mark in sorted(lattice.marks, key=lambda mark: mark.box)] == ["-", "."]
    assert len(wholes(lattice)) == 2


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
def test_without_ink_there_are_no_candidates(empty: np.ndarray) -> None:
    lattice = segment(empty)
    assert lattice.candidates == []
    assert lattice.images.shape == (0, 28, 28)


def test_a_texture_is_refused_before_it_costs_much() -> None:
    chequers = np.kron(np.indices((200, 300)).sum(axis=0) % 2, np.ones((3, 3))).astype(np.uint8) * 255
    with pytest.raises(UnusableInput):
        segment(chequers)


def test_a_page_full_of_digits_is_refused() -> None:
    with pytest.raises(UnusableInput, match="1 to 20 digits"):
        segment(np.concatenate([written("902475631")] * 6))


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
