"""What is no single digit, to see whether a reader notices: noise, nothing, letters, halves that do not fit, pairs.

Knows arrays, fonts and one random generator. Digits are the caller's. Letters that could be digits are left out, so
that every stranger ought to be refused.
"""

import string
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from training.strokes import centre

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]
Generator = np.random.Generator

SIDE, BOX = 28, 20  # a character of MNIST fits a box of 20x20
LETTERS = sorted(set(string.ascii_letters) - set("BDGIOQSYZ" + "bgijloqsyz"))  # which can be 0 to 9
FONTS = (  # matplotlib brings them, so they are the same everywhere
    "DejaVuSans",
    "DejaVuSans-Bold",
    "DejaVuSans-Oblique",
    "DejaVuSansMono",
    "DejaVuSerif",
    "DejaVuSerif-Italic",
    "STIXGeneral",
    "STIXGeneralBolIta",
)


def draw(kind: str, count: int, digits: Images, labels: Labels, seed: int = 0) -> Images:
    """Makes `count` strangers of a kind of KINDS, uint8[count, 28, 28], from digits uint8[N, 28, 28] where need be."""
    return KINDS[kind](count, digits, labels, np.random.default_rng([seed, zlib.crc32(kind.encode())]))


def white_noise(count: int, _digits: Images, _labels: Labels, rng: Generator) -> Images:
    """Each pixel on its own, up to a brightness of the picture's."""
    return _grey(rng.random((count, SIDE, SIDE)) * rng.uniform(0.3, 1, (count, 1, 1)))


def smooth_noise(count: int, _digits: Images, _labels: Labels, rng: Generator) -> Images:
    """Clouds: white noise under a Gaussian of 1 to 3 pixels, round the edges."""
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE))
    passed = np.exp(-2 * (np.pi * frequency * rng.uniform(1, 3, (count, 1, 1))) ** 2)
    clouds = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((count, SIDE, SIDE))) * passed, s=(SIDE, SIDE))
    clouds /= clouds.std(axis=(1, 2), keepdims=True)
    return _grey(rng.uniform(0, 0.5, (count, 1, 1)) + 0.3 * clouds)


def blank(count: int, _digits: Images, _labels: Labels, rng: Generator) -> Images:
    """Nothing, in every grey; one in eight is black."""
    level = rng.integers(0, 256, (count, 1, 1)) * (rng.random((count, 1, 1)) > 1 / 8)
    return np.broadcast_to(level, (count, SIDE, SIDE)).astype(np.uint8)


def letters(count: int, _digits: Images, _labels: Labels, rng: Generator) -> Images:
    """Printed letters, placed as digits are."""
    chosen = zip(rng.integers(0, len(LETTERS), count), rng.integers(0, len(FONTS), count), strict=True)
    return np.stack([_letter(LETTERS[letter], FONTS[font]) for letter, font in chosen])


def halves(count: int, digits: Images, labels: Labels, rng: Generator) -> Images:
    """The left half of one digit beside the right half of another, one of them 3 to 6 pixels higher."""
    first, second = _two(count, labels, rng)
    shift = rng.integers(3, 7, count) * rng.choice([-1, 1], count)
    left, right = _moved(digits[first], shift // 2), _moved(digits[second], shift // 2 - shift)
    return np.concatenate([left[:, :, : SIDE // 2], right[:, :, SIDE // 2 :]], axis=2)


def pairs(count: int, digits: Images, labels: Labels, rng: Generator) -> Images:
    """Two digits side by side in the box of one: every second pair keeps its height, the others their proportions."""
    edge = (SIDE - BOX) // 2
    first, second = _two(count, labels, rng)
    both = np.concatenate([digits[of][:, edge:-edge, edge:-edge] for of in (first, second)], axis=2) / 255
    narrow = both.reshape(count, BOX, BOX, 2).mean(axis=3)
    small = narrow.reshape(count, BOX // 2, 2, BOX).mean(axis=2)
    small = np.pad(small, ((0, 0), (BOX // 4, BOX // 4), (0, 0)))
    whole = np.where(np.arange(count)[:, None, None] % 2 == 0, narrow, small)
    return _grey(np.pad(whole, ((0, 0), (edge, edge), (edge, edge))))


KINDS: dict[str, Callable[[int, Images, Labels, Generator], Images]] = {
    "white_noise": white_noise,
    "smooth_noise": smooth_noise,
    "blank": blank,
    "letters": letters,
    "halves": halves,
    "pairs": pairs,
}


def _two(count: int, labels: Labels, rng: Generator) -> tuple[Labels, Labels]:
    """Rows of two different digits each; of one and the same, the halves would fit."""
    first, second = rng.integers(0, len(labels), (2, 10 * count + 100))
    differ = labels[first] != labels[second]
    return first[differ][:count], second[differ][:count]


def _moved(images: Images, rows: Labels) -> Images:
    """Each image so many rows lower, zeros beyond the border."""
    source = np.arange(SIDE) - rows[:, None]
    inside = (source >= 0) & (source < SIDE)
    taken = np.take_along_axis(images, source.clip(0, SIDE - 1)[:, :, None], axis=1)
    return np.where(inside[:, :, None], taken, 0).astype(np.uint8)


@cache
def _letter(letter: str, font: str) -> Images:
    """Fitted to the box and centred by mass: uint8[28, 28]."""
    file = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{font}.ttf"
    canvas = Image.new("L", (400, 400))
    ImageDraw.Draw(canvas).text((100, 50), letter, fill=255, font=ImageFont.truetype(file, 200))
    ink = canvas.crop(canvas.getbbox())
    scale = BOX / max(ink.size)
    size = (max(round(ink.width * scale), 1), max(round(ink.height * scale), 1))
    frame = Image.new("L", (SIDE, SIDE))
    frame.paste(ink.resize(size, Image.Resampling.BOX))
    return centre(np.asarray(frame))


def _grey(images: NDArray[np.float64]) -> Images:
    return (images.clip(0, 1) * 255).round().astype(np.uint8)
