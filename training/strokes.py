"""Digits and scribbles drawn by our own pen: golden inputs, sample pictures and tests need no data set.

A character is a few curves in a square of 100 x 100, y downwards. A drawing varies its control points, slant, turn,
proportions and pen, then fits it to a box and centres it by mass, as MNIST does (Yadav and Bottou, arXiv:1905.10498).
The same seed draws the same picture. The pictures of `examples/` are written by

    python -m training.strokes examples/
"""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Picture = NDArray[np.uint8]
Points = NDArray[np.float64]

# Curves pass smoothly through their points; where two curves of one character meet, there is a corner.
DIGITS: tuple[tuple[str, ...], ...] = (
    ("54,1 29,11 15,45 23,83 49,99 76,84 85,48 75,13 54,1",),
    ("54,0 51,50 48,100",),
    ("17,22 31,5 56,0 77,13 75,36 56,61 32,82 13,96", "13,96 50,93 88,94"),
    ("19,13 40,1 66,5 76,22 66,39 40,47", "40,47 69,53 82,72 71,91 43,100 14,90"),
    ("25,2 20,28 17,54", "17,54 50,54 86,48", "76,0 71,50 66,100"),
    ("80,1 54,3 30,3", "30,3 26,22 23,43", "23,43 49,37 74,50 80,73 64,93 38,100 13,90"),
    ("66,0 43,18 26,43 18,70 29,93 53,100 75,87 75,66 57,55 35,61 20,77",),
    ("13,9 48,6 84,4", "84,4 66,37 51,70 42,100"),
    ("72,13 51,0 30,11 33,33 53,48 73,67 71,90 48,100 26,89 29,67 51,48 70,31 72,13",),
    ("77,16 56,1 31,9 22,31 37,48 60,42 77,16", "77,16 74,45 67,74 60,100"),
)
LETTERS: tuple[tuple[str, ...], ...] = (
    ("10,100 50,0 90,100", "25,65 50,64 76,65"),
    ("15,0 15,100", "15,5 60,3 70,25 50,46 15,48", "15,48 65,50 80,75 60,97 15,97"),
    ("15,0 15,100", "15,2 85,2", "15,50 70,50", "15,98 88,98"),
    ("15,0 15,100", "85,0 85,100", "15,50 85,50"),
    ("20,0 20,100", "80,0 52,28 20,52", "20,52 55,76 85,100"),
    ("8,100 20,2", "20,2 50,70", "50,70 80,2", "80,2 92,100"),
    ("5,0 28,100", "28,100 50,30", "50,30 72,100", "72,100 95,0"),
    ("12,0 88,100", "88,0 12,100"),
)
BOX = 20 / 28  # the side of the box that a character is fitted to, as a part of the picture's side
FINENESS = 8  # the pen draws on a grid this much finer than the picture


def draw(digit: int, rng: np.random.Generator, size: int = 28) -> Picture:
    """Draws a digit of 0..9, light ink on dark, in a box of 20/28 of the side, centred by mass: uint8[size, size]."""
    return ink_curves(vary([parse(curve) for curve in DIGITS[digit]], rng), rng, size)


def draw_many(count: int, seed: int) -> tuple[Picture, NDArray[np.int64]]:
    """Draws the digits 0..9 in turn: uint8[count, 28, 28] and their labels int64[count]."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.int64) % 10
    pictures = [draw(int(digit), rng) for digit in labels]
    return np.array(pictures, np.uint8).reshape(count, 28, 28), labels


def scribble(rng: np.random.Generator, size: int = 28) -> Picture:
    """Draws what is no digit, a letter or a tangle, placed like one: uint8[size, size], light ink on dark."""
    if rng.random() < 0.5:
        curves = vary([parse(curve) for curve in LETTERS[rng.integers(len(LETTERS))]], rng)
    else:
        curves = [rng.uniform(0, 1, (int(rng.integers(9, 13)), 2))]
    return ink_curves(curves, rng, size)


def noise(rng: np.random.Generator, size: int = 28) -> Picture:
    """Fills a picture with grain of 1 to 7 pixels, no character in it: uint8[size, size]."""
    grain = int(rng.integers(1, 8))
    coarse = rng.integers(0, 256, (-(-size // grain), -(-size // grain)), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC))


def photograph(ink: Picture, rng: np.random.Generator, side: int = 280, dark_paper: bool | None = None) -> Image.Image:
    """Puts a drawn character, uint8[H, W], somewhere on paper as a camera would see it: RGB, `side` x `side`.

    The paper has an uneven, slightly tinted colour and grain; it is dark, with light ink, one time in four unless said.
    """
    if dark_paper is None:
        dark_paper = bool(rng.random() < 0.25)
    paper, pen = (45, 225) if dark_paper else (215, 40)
    extent = int(side * rng.uniform(0.55, 0.9))
    left, top = rng.integers(0, side - extent + 1, 2)
    cover = np.zeros((side, side, 1))
    resized = Image.fromarray(ink).resize((extent, extent), Image.Resampling.BICUBIC)
    cover[top : top + extent, left : left + extent, 0] = np.asarray(resized) / 255
    shade = shadow(rng, side)[..., None] + rng.normal(paper, 4, 3)
    photo = shade + cover * (rng.normal(pen, 8, 3) - shade) + rng.normal(0, 2, (side, side, 1))
    return Image.fromarray(np.clip(photo, 0, 255).astype(np.uint8))


def note(digits: Sequence[Picture], rng: np.random.Generator) -> Image.Image:
    """Puts drawn digits, each uint8[S, S], close beside each other on paper: RGB."""
    side = digits[0].shape[0]
    step = round(0.62 * side)
    ink = np.zeros((2 * side, step * len(digits) + side))
    for place, digit in enumerate(digits):
        cell = ink[side // 2 : side // 2 + side, place * step : place * step + side]
        np.maximum(cell, digit, out=cell)
    shade = shadow(rng, max(ink.shape))[: ink.shape[0], : ink.shape[1]]
    levels = (215 + shade) * (1 - 0.8 * ink / 255) + rng.normal(0, 2, ink.shape)
    return Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8)).convert("RGB")


def shadow(rng: np.random.Generator, side: int) -> Points:
    """Smooth unevenness of the light, about 20 grey levels from end to end: float64[side, side]."""
    coarse = Image.fromarray(rng.uniform(-12, 12, (3, 3)).astype(np.float32))
    return np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC), np.float64)


def parse(curve: str) -> Points:
    """Reads "x,y x,y ..." in hundredths: float64[points, 2]."""
    return np.array([point.split(",") for point in curve.split()], np.float64) / 100


def vary(curves: Sequence[Points], rng: np.random.Generator) -> list[Points]:
    """Moves the control points a little, joints together, then slants, stretches and turns the whole."""
    joints: dict[tuple[float, ...], Points] = {}
    moved = [[joints.setdefault(tuple(point), point + rng.normal(0, 0.018, 2)) for point in curve] for curve in curves]
    slant, turn, stretch = rng.uniform(-0.1, 0.3), rng.normal(0, 0.07), rng.uniform(0.75, 1.05)
    slanted = np.array([[stretch, -slant], [0, 1]])
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return [np.array(curve) @ (turned @ slanted).T for curve in moved]


def ink_curves(curves: Sequence[Points], rng: np.random.Generator, size: int) -> Picture:
    """Draws curves with a round pen, fitted to the box and centred by mass: uint8[size, size], light ink on dark."""
    box = BOX * size * FINENESS
    pen = box * rng.uniform(0.09, 0.15)
    paths = [smooth(curve) for curve in curves]
    corner = np.min([path.min(axis=0) for path in paths], axis=0)
    scale = (box - pen) / np.max([path.max(axis=0) - corner for path in paths])
    canvas = Image.new("L", (size * FINENESS, size * FINENESS))
    trace(ImageDraw.Draw(canvas), ((path - corner) * scale + pen / 2 for path in paths), pen)
    return centre(np.asarray(canvas.reduce(FINENESS)))


def smooth(points: Points, steps: int = 24) -> Points:
    """The Catmull-Rom curve through the points: float64[points, 2] -> float64[(points - 1) * steps + 1, 2]."""
    before, after = 2 * points[0] - points[1], 2 * points[-1] - points[-2]
    if np.array_equal(points[0], points[-1]):
        before, after = points[-2], points[1]
    padded = np.vstack([before, points, after])[:, None]
    p0, p1, p2, p3 = padded[:-3], padded[1:-2], padded[2:-1], padded[3:]
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    curve = p1 + t * (p2 - p0) / 2 + t**2 * (p0 - 2.5 * p1 + 2 * p2 - p3 / 2) + t**3 * (3 * (p1 - p2) + p3 - p0) / 2
    return np.vstack([curve.reshape(-1, 2), points[-1]])


def trace(canvas: ImageDraw.ImageDraw, paths: Iterable[Points], pen: float) -> None:
    """Moves a round pen of this diameter along the paths."""
    for path in paths:
        for x, y in path:
            canvas.ellipse((x - pen / 2, y - pen / 2, x + pen / 2 - 1, y + pen / 2 - 1), fill=255)


def centre(picture: Picture) -> Picture:
    """Shifts the ink, which starts in the top left corner, by whole pixels until its mass is centred on a pixel.

    That pixel is size // 2, counted from 0: at 28 pixels, all of MNIST has its centre of mass in 13.5 to 14.5.
    """
    mass = picture.sum(dtype=np.int64)
    room = [np.flatnonzero(picture.any(axis=1))[-1], np.flatnonzero(picture.any(axis=0))[-1]]
    shift = []
    for axis, side in enumerate(picture.shape):
        middle = (picture.sum(axis=1 - axis, dtype=np.int64) * np.arange(side)).sum() / mass
        shift.append(int(np.clip(round(side // 2 - middle), 0, side - 1 - room[axis])))
    return np.roll(picture, shift, axis=(0, 1))


def main(folder: Path) -> None:
    """Writes the sample pictures that the README sends to the service."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(73)
    seven = photograph(draw(7, rng, size=280), rng, dark_paper=False)
    three = photograph(draw(3, rng, size=280), rng, dark_paper=False)
    seven.quantize(64).save(folder / "seven.png", optimize=True)
    three.save(folder / "three.jpg", quality=90)
    number = note([draw(digit, rng, size=112) for digit in (9, 0, 2, 1, 0)], rng)
    number.quantize(32).save(folder / "number.png", optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
