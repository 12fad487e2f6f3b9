import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from service.imaging import frame, normalise, read_image
from service.imaging.components import label, select_digit
from training.strokes import draw, draw_many, photograph

LIGHT, DARK = 215, 40


def likeness(image, other):
    """The correlation of two images, 1 for the same; a centre of mass between two pixels may go to either."""
    shifted = [np.roll(other, (down, right), axis=(0, 1)) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    return max(float(np.corrcoef(image.ravel(), each.ravel())[0, 1]) for each in shifted)


def on_paper(ink, side, left, top, paper=LIGHT, pen=DARK):
    """A drawn digit on a larger, even sheet: uint8[side, side]."""
    sheet = np.full((side, side), paper, float)
    height, width = ink.shape
    sheet[top : top + height, left : left + width] += (pen - paper) * (ink / 255)
    return sheet.round().astype(np.uint8)


def framed(image):
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    return max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1


def centre_of_mass(image):
    mass = image.sum(dtype=float)
    return [(image.sum(axis=1 - axis) * np.arange(28)).sum() / mass for axis in (0, 1)]


@pytest.fixture
def rng():
    return np.random.default_rng(11)


@pytest.mark.parametrize("digit", range(10))
def test_an_image_is_framed_as_mnist_frames_it(digit, rng):
    for _ in range(5):
        image = normalise(np.asarray(photograph(draw(digit, rng, size=100), rng).convert("L")))
        assert (image.shape, image.dtype) == ((28, 28), np.uint8)
        assert framed(image) == 20
        assert np.abs(np.array(centre_of_mass(image)) - 14).max() <= 0.51
        assert image.max() == 255
        assert (image == 0).mean() > 0.5


def test_what_is_framed_already_stays_as_it_is():
    for image in draw_many(50, seed=1)[0]:
        assert likeness(normalise(image), image) > 0.98
        assert abs(normalise(image).sum() / image.sum() - 1) < 0.1


@pytest.mark.parametrize("digit", range(10))
def test_polarity_makes_no_difference(digit, rng):
    grey = on_paper(draw(digit, rng, size=120), 200, 30, 50)
    light, dark = normalise(grey), normalise(255 - grey)
    assert np.abs(light.astype(int) - dark).max() <= 2


@pytest.mark.parametrize("digit", range(10))
def test_place_makes_no_difference(digit):
    ink = draw(digit, np.random.default_rng(digit), size=112)
    middle = normalise(on_paper(ink, 300, 94, 94))
    for left, top in [(0, 0), (188, 0), (0, 188), (188, 188), (5, 61)]:
        assert likeness(normalise(on_paper(ink, 300, left, top)), middle) > 0.98


@pytest.mark.parametrize("size", [40, 80, 200, 500, 900])
def test_size_makes_no_difference(size):
    for digit in range(10):
        expected = draw(digit, np.random.default_rng(digit), size=28)
        ink = draw(digit, np.random.default_rng(digit), size=size)
        assert likeness(normalise(on_paper(ink, size + 20, 10, 10)), expected) > 0.94


def test_proportions_of_the_picture_make_no_difference(rng):
    ink = draw(3, rng, size=100)
    square = normalise(on_paper(ink, 300, 100, 100))
    strip = on_paper(ink, 2000, 700, 100)[:220]
    assert likeness(normalise(strip), square) > 0.97
    assert likeness(normalise(strip.T), normalise(on_paper(ink, 300, 100, 100).T)) > 0.97


@pytest.mark.parametrize(("paper", "pen"), [(255, 0), (250, 190), (120, 70), (0, 255), (30, 90), (200, 255)])
def test_contrast_is_stretched(paper, pen, rng):
    ink = draw(6, rng, size=150)
    image = normalise(on_paper(ink, 220, 20, 40, paper, pen))
    assert image.max() == 255
    assert likeness(image, normalise(on_paper(ink, 220, 20, 40))) > 0.99


def test_crop_may_touch_the_ink():
    for digit in (0, 2, 3, 5, 6, 8, 9):
        ink = draw(digit, np.random.default_rng(digit), size=140)
        tight = 255 - ink[np.ix_(ink.any(axis=1), ink.any(axis=0))]
        assert likeness(normalise(tight), normalise(255 - ink)) > 0.97


def uneven(grey, light):
    y, x = np.mgrid[-1 : 1 : grey.shape[0] * 1j, -1 : 1 : grey.shape[1] * 1j]
    return (grey * light(y, x)).astype(np.uint8)


@pytest.mark.parametrize(
    "light",
    [
        pytest.param(lambda y, x: 0.7 + 0.25 * x + 0.05 * y, id="from one side"),
        pytest.param(lambda y, x: 1 - 0.25 * (y * y + x * x), id="dark corners"),
    ],
)
def test_uneven_light_is_not_ink(light, rng):
    ink = draw(4, rng, size=150)
    grey = on_paper(ink, 256, 60, 40)
    assert likeness(normalise(uneven(grey, light)), normalise(grey)) > 0.97


@pytest.mark.parametrize("deviation", [4, 12, 30])
def test_noise_of_the_paper_is_not_ink(deviation, rng):
    ink = draw(5, rng, size=150)
    grey = on_paper(ink, 256, 60, 40)
    noisy = np.clip(grey + rng.normal(0, deviation, grey.shape), 0, 255).astype(np.uint8)
    image = normalise(noisy)
    assert likeness(image, normalise(grey)) > 0.97
    assert (image[0] == 0).all()


@pytest.mark.parametrize("pen", [1, 2, 4])
def test_a_thin_pen_is_widened(pen):
    picture = Image.new("L", (300, 300), 255)
    ImageDraw.Draw(picture).line([(70, 60), (210, 60), (120, 250)], fill=0, width=pen, joint="curve")
    image = normalise(np.asarray(picture))
    strokes = (image[14:22] > 100).sum(axis=1)
    assert strokes.min() >= 1
    assert image.max() == 255
    assert 30 < image.sum() / 255 < 120  # MNIST's own: 20 to 200


# --- What is not the digit


def test_frame_and_specks_are_dropped(rng):
    grey = on_paper(draw(2, rng, size=120), 240, 60, 60)
    clean = normalise(grey)
    grey[5:9], grey[-8:-5], grey[:, 4:8], grey[:, -9:-5] = 60, 60, 60, 60
    for top, left in [(20, 30), (200, 25), (30, 210), (215, 190)]:
        grey[top : top + 3, left : left + 3] = 50
    assert likeness(normalise(grey), clean) > 0.98


@pytest.mark.parametrize("place", [np.s_[3:7], np.s_[-6:-2], np.s_[:, 0:4], np.s_[:, -5:-1]])
def test_a_ruled_line_at_a_side_is_dropped(place, rng):
    grey = on_paper(draw(9, rng, size=120), 240, 60, 60)
    clean = normalise(grey)
    grey[place] = 80
    assert likeness(normalise(grey), clean) > 0.98


def test_a_digit_that_touches_every_side_is_no_frame():
    ink = draw(0, np.random.default_rng(0), size=140)
    tight = 255 - ink[np.ix_(ink.any(axis=1), ink.any(axis=0))]
    assert normalise(tight).sum() > 50 * 255


def test_a_detached_stroke_is_kept():
    picture = Image.new("L", (200, 200), 255)
    pen = ImageDraw.Draw(picture)
    pen.arc((60, 90, 130, 160), 180, 90, fill=0, width=9)
    without = normalise(np.asarray(picture))
    pen.line((75, 60, 125, 60), fill=0, width=9)
    assert likeness(normalise(np.asarray(picture)), without) < 0.8


# --- More than one digit


@pytest.mark.parametrize("gap", [8, 20, 60, 200])
@pytest.mark.parametrize("beside", [True, False], ids=["side by side", "one above the other"])
def test_two_digits_are_told_from_one(gap, beside):
    rng = np.random.default_rng(gap)
    for first, second in [(1, 7), (4, 9), (0, 6), (5, 5), (2, 1)]:
        inks = [ink[np.ix_(ink.any(axis=1), ink.any(axis=0))] for ink in (draw(d, rng, 110) for d in (first, second))]
        sheet = np.full((500, 500), LIGHT, np.uint8)
        after = 40 + inks[0].shape[1 if beside else 0] + gap
        for ink, (top, left) in zip(inks, [(40, 40), (40, after) if beside else (after, 40)], strict=True):
            spot = sheet[top : top + ink.shape[0], left : left + ink.shape[1]]
            spot[ink > 128] = DARK
        assert frame(sheet).is_several


def test_one_digit_is_one():
    images, _ = draw_many(200, seed=8)
    assert not any(frame(image).is_several for image in images)


def test_parts_of_a_digit_are_one():
    """A 5 whose bar was drawn apart, a 4 that is open below, and dust."""
    picture = Image.new("L", (200, 200), 255)
    pen = ImageDraw.Draw(picture)
    pen.line((75, 40, 130, 40), fill=0, width=9)
    pen.arc((60, 90, 130, 160), 180, 90, fill=0, width=9)
    pen.ellipse((20, 20, 26, 26), fill=0)
    assert not frame(np.asarray(picture)).is_several
    picture = Image.new("L", (200, 200), 255)
    pen = ImageDraw.Draw(picture)
    pen.line([(80, 40), (60, 95), (100, 95)], fill=0, width=8)
    pen.line((115, 40, 115, 160), fill=0, width=8)
    assert not frame(np.asarray(picture)).is_several


# --- No digit at all


@pytest.mark.parametrize("level", [0, 1, 128, 254, 255])
@pytest.mark.parametrize("shape", [(28, 28), (300, 200), (1, 1), (1, 500), (700, 1), (2, 3)])
def test_a_blank_picture_gives_zeros(shape, level):
    assert not normalise(np.full(shape, level, np.uint8)).any()


@pytest.mark.parametrize("deviation", [1, 5, 15])
@pytest.mark.parametrize("side", [28, 150, 400])
def test_noisy_paper_gives_zeros(side, deviation, rng):
    for _ in range(5):
        grey = np.clip(rng.normal(180, deviation, (side, side)), 0, 255).astype(np.uint8)
        assert not normalise(grey).any()


def test_any_picture_gives_an_image(rng):
    for shape in [(1, 2), (3, 3), (5, 1), (40, 7), (129, 257), (500, 3), (2, 4000)]:
        for grey in (
            rng.integers(0, 256, shape),
            rng.choice([0, 255], shape),
            rng.choice([0, 255], shape, p=[0.97, 0.03]),
        ):
            image = normalise(grey.astype(np.uint8))
            assert (image.shape, image.dtype) == ((28, 28), np.uint8)


# --- From bytes, and the pieces beneath


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF"])
def test_read_image_from_every_format(kind, rng):
    photo = photograph(draw(7, rng, size=120), rng)
    buffer = io.BytesIO()
    photo.save(buffer, kind)
    image = read_image(buffer.getvalue(), 40_000_000)
    assert likeness(image, normalise(np.asarray(photo.convert("L")))) > 0.98


def test_label_joins_what_touches_even_at_corners():
    rows = ["#.#.....", "#.#..##.", "###...#.", "......#.", ".##....#", "#...#..#"]
    cells = np.array([[cell == "#" for cell in row] for row in rows])
    labels = label(cells)
    assert labels.max() == 4
    assert ((labels > 0) == cells).all()
    assert labels[0, 0] == labels[0, 2]
    assert labels[1, 5] == labels[5, 7]
    assert labels[4, 1] == labels[5, 0]
    assert len({labels[0, 0], labels[1, 5], labels[4, 1], labels[5, 4]}) == 4


def test_label_joins_pieces_that_meet_late():
    spiral = np.array([[cell == "#" for cell in row] for row in ["#.#.#", "#.#.#", "#.###", "#....", "#####"]])
    assert label(spiral).max() == 2
    comb = np.zeros((40, 41), bool)
    comb[:, ::2] = True
    assert label(comb).max() == 21
    comb[-1] = True
    assert label(comb).max() == 1


def test_nothing_is_selected_where_nothing_is():
    cells, boxes = select_digit(np.zeros((9, 9), bool))
    assert not cells.any()
    assert len(boxes) == 0
