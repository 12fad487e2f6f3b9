"""What is written on the gallery's pictures: digits by pen and by font, and what is no digit. Ink alone, no paper."""

from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from training.strokes import DIGITS, parse, smooth, trace, vary

Ink = NDArray[np.float64]  # 0 to 1: how much of each pixel is covered
Generator = np.random.Generator

FINENESS = 3  # the pen draws on a grid so much finer


def written(digit: int, rng: Generator, side: int = 160, pen: float = 0.11, turn: float = 0) -> Ink:
    """A digit by hand, its longer side of so many pixels, the pen a part of that, turned by degrees: float64[h, w]."""
    return drawn(vary([parse(curve) for curve in DIGITS[digit]], rng), side, pen, turn)


def drawn(curves: list[NDArray[np.float64]], side: int, pen: float, turn: float = 0) -> Ink:
    """Curves in any units, cut off where they end: float64[h, w]."""
    angle = np.deg2rad(turn)
    turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    paths = [smooth(curve) @ turned.T for curve in curves]
    corner = np.min([path.min(axis=0) for path in paths], axis=0)
    extent = np.max([path.max(axis=0) for path in paths], axis=0) - corner
    box = side * FINENESS
    width = box * pen
    scale = (box - width) / extent.max()
    size = np.ceil(extent * scale + width + 1).astype(int)
    canvas = Image.new("L", tuple(size.tolist()))
    trace(ImageDraw.Draw(canvas), ((path - corner) * scale + width / 2 for path in paths), width)
    return np.asarray(canvas.reduce(FINENESS)) / 255


def printed(digit: int, font: str, side: int = 160) -> Ink:
    """A digit of a font that matplotlib brings, so that it is the same everywhere: float64[h, w]."""
    canvas = Image.new("L", (2 * side, 3 * side))
    ImageDraw.Draw(canvas).text((side // 2, side // 2), str(digit), fill=255, font=_font(font, side * 4 // 3))
    return np.asarray(canvas.crop(canvas.getbbox())) / 255


def beside(first: Ink, second: Ink, gap: int) -> Ink:
    """Two inks side by side, so many pixels apart, on one line: float64[h, w]."""
    height = max(len(first), len(second))
    raised = [np.pad(ink, ((height - len(ink), 0), (0, 0))) for ink in (first, second)]
    return np.concatenate([raised[0], np.zeros((height, gap)), raised[1]], axis=1)


def above(first: Ink, second: Ink, gap: int) -> Ink:
    """Two inks one above the other: float64[h, w]."""
    return beside(first.T, second.T, gap).T


def scribble(rng: Generator, side: int = 160) -> Ink:
    """A tangle."""
    return drawn([rng.uniform(0, 1, (14, 2))], side, 0.06)


def face(side: int = 160) -> Ink:
    """Two eyes and a mouth in a circle."""
    canvas = Image.new("L", (side * FINENESS, side * FINENESS))
    pen = ImageDraw.Draw(canvas)
    head, eyes, mouth = np.array([[2, 2, 98, 98], [29, 30, 41, 42], [25, 30, 75, 78]]) * side * FINENESS / 100
    width = side * FINENESS // 20
    pen.ellipse(head.tolist(), outline=255, width=width)
    for shift in (0, 0.3 * side * FINENESS):
        pen.ellipse((eyes + np.array([shift, 0, shift, 0])).tolist(), fill=255)
    pen.arc(mouth.tolist(), 20, 160, fill=255, width=width)
    return np.asarray(canvas.reduce(FINENESS)) / 255


@cache
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf", size)
