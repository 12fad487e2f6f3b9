"""Pictures of handwritten numbers, composed of single digits: what `POST /v1/numbers` is measured on.

Knows arrays and one random generator: the same images, labels and seed give the same pictures. Which split the digits
come from is the caller's word.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]
Pixels = NDArray[np.float32]

LENGTHS = 3, 8  # digits of a number
SPACING = 2, 12  # pixels from ink to ink, of digits that are 20 pixels high
JITTER = 2  # pixels that a digit lies above or below its line
SLANT = 0.2  # pixels to the side for each pixel down, of the whole number; a digit differs by a quarter of it
MARGIN = 6, 20
SCALES = 1, 3  # times the size of MNIST
NOISE = 0, 12  # grey levels, standard deviation
INK = 64  # of 255, what counts where spacing is measured
SOLID = 128  # of 255, what must meet where neighbours touch
EMPTY = 10_000  # pixels: the edge of a row without ink


class Number(NamedTuple):
    """A picture uint8[H, W], and what is written in it."""

    picture: Images
    text: str


def compose_many(images: Images, labels: NDArray[np.int64], count: int, seed: int, touching: bool) -> Iterator[Number]:
    """So many numbers of uint8[N, 28, 28] and their labels, each of other digits in another hand."""
    rng = np.random.default_rng([seed, touching])
    for _ in range(count):
        chosen = rng.integers(0, len(labels), rng.integers(LENGTHS[0], LENGTHS[1] + 1))
        yield Number(compose(images[chosen], rng, touching), "".join(map(str, labels[chosen])))


def compose(digits: Images, rng: np.random.Generator, touching: bool) -> Images:
    """uint8[N, 28, 28] from left to right in one picture: dark or light, and one to three times as large."""
    slant = rng.uniform(-SLANT, SLANT)
    line = np.zeros((digits.shape[1] + 2 * JITTER + 4, 2), np.float32)
    for digit in digits:
        leaning = shear(digit.astype(np.float32), slant + rng.uniform(-SLANT, SLANT) / 4)
        line = append(line, leaning, int(rng.integers(-JITTER, JITTER + 1)) + JITTER + 2, _gap(rng, touching))
    margins = rng.integers(MARGIN[0], MARGIN[1] + 1, 4).reshape(2, 2)
    return paint(enlarge(np.pad(line, margins), int(rng.integers(SCALES[0], SCALES[1] + 1))), rng)


def append(line: Pixels, digit: Pixels, top: int, gap: int | None) -> Pixels:
    """Sets a digit, so many pixels below the top, to the right of a line: float32[H, W] -> float32[H, wider].

    So many columns without ink lie between; without a gap the digit is moved until its strokes meet those before it.
    """
    columns = np.flatnonzero((digit > INK).any(axis=0))
    digit = digit[:, max(0, columns[0] - 1) : columns[-1] + 2]
    rows = slice(top, top + len(digit))
    edge = np.flatnonzero((line > INK).any(axis=0))
    if not edge.size:
        left = line.shape[1]
    elif gap is not None:
        left = int(edge[-1]) + 1 + gap - int((digit > INK).any(axis=0).argmax())
    else:
        left = meeting(line[rows], digit)
    wider = np.zeros((len(line), max(line.shape[1], left + digit.shape[1])), np.float32)
    wider[:, : line.shape[1]] = line
    place = wider[rows, left : left + digit.shape[1]]
    np.maximum(place, digit, out=place)
    return wider


def meeting(line: Pixels, digit: Pixels) -> int:
    """The column at which a digit's left edge would lie when its ink comes next to a line's in some row."""
    left, right = digit >= SOLID, line >= SOLID
    starts = np.where(left.any(axis=1), left.argmax(axis=1), EMPTY)
    ends = np.where(right.any(axis=1), line.shape[1] - right[:, ::-1].argmax(axis=1), -EMPTY)
    return max(0, int((ends - starts).max()))


def shear(digit: Pixels, slant: float) -> Pixels:
    """Moves rows to the side, in proportion to their height: float32[H, W] -> float32[H, W + 12]."""
    height, width = digit.shape
    padded = np.pad(digit, ((0, 0), (6, 7)))
    shift = slant * (np.arange(height) - height / 2)
    places = np.arange(width + 12) + shift[:, None].clip(-5.9, 5.9)
    whole = np.floor(places).astype(int).clip(0, width + 11)
    part = (places - whole).clip(0, 1).astype(np.float32)
    rows = np.arange(height)[:, None]
    return np.asarray(padded[rows, whole] * (1 - part) + padded[rows, whole + 1] * part)


def enlarge(line: Pixels, factor: int) -> Pixels:
    """So many times as large, smoothed: float32[H, W] -> float32[H * factor, W * factor]."""
    large = line.repeat(factor, axis=0).repeat(factor, axis=1)
    for axis in (0, 1):
        large = np.mean([np.roll(large, step - factor // 2, axis) for step in range(factor)], axis=0)
    return large


def paint(ink: Pixels, rng: np.random.Generator) -> Images:
    """Ink of 0..255 on paper, with noise: uint8 of the same shape."""
    paper, pen = rng.uniform(200, 255), rng.uniform(0, 60)
    levels = paper + (pen - paper) * ink / 255 + rng.normal(0, rng.uniform(*NOISE), ink.shape)
    if rng.random() < 0.5:
        levels = 255 - levels
    return levels.clip(0, 255).round().astype(np.uint8)


def _gap(rng: np.random.Generator, touching: bool) -> int | None:
    return None if touching else int(rng.integers(SPACING[0], SPACING[1] + 1))
