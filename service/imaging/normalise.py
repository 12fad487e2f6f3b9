"""Grey levels -> the image that a model reads, framed as MNIST frames it. It knows no file formats and no models.

The framing follows Yadav and Bottou, "Cold Case: the Lost MNIST Digits", 2019 (arXiv:1905.10498): crop to the ink,
scale the longer side to 20 pixels with each pixel weighed by its area, put the centre of mass at the centre of 28 x 28
by whole pixels. MNIST began with clean black and white scans; the steps before, from paper and pen to ink, are ours.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from PIL import Image

from service.imaging.components import framed
from service.imaging.decode import Grey
from service.imaging.locate import Levels, Place, locate, median, peak, span

SIDE = 28
BOX = 20  # the longer side of the ink
FINENESS = 4  # ink is lifted at so many pixels, or up to twice as many, for each pixel of the box
LEAST_CONTRAST = 24  # grey levels between paper and ink
FAINT = 0.15, 0.3  # of the strongest ink, the least and the most that is taken for noise of the paper
SOLID = 64  # of 255: ink that counts for the crop
THINNEST = 1.2  # pixels of the box: thinner strokes are widened, since MNIST has few of them


class Framed(NamedTuple):
    """The image of a digit, uint8[28, 28], and whether it seems to be more digits than one."""

    image: Grey
    is_several: bool


def normalise(grey: Grey) -> Grey:
    """Frames the digit in a picture as MNIST does: uint8[H, W] -> uint8[28, 28], light ink on dark.

    A picture without ink gives an image of zeros.
    """
    return frame(grey).image


def frame(grey: Grey) -> Framed:
    """As `normalise`, and says whether there is more than one digit."""
    picture = Image.fromarray(grey)
    place = locate(picture)
    ink = None if place is None else crop(lift(picture, place))
    if place is None or ink is None:
        return Framed(np.zeros((SIDE, SIDE), np.uint8), is_several=False)
    return Framed(centre(fit(widen(ink, max(ink.shape)))), place.is_several)


def lift(picture: Image.Image, place: Place) -> Levels:
    """Takes a digit off its paper: float32[h, w], 0 for paper, 255 for the strongest ink; all 0 if that is too weak."""
    left, top, right, bottom = place.box
    factor = max(1, max(right - left, bottom - top) // (BOX * FINENESS))
    fine = np.asarray(picture.reduce(factor, place.box), np.float32)
    rows, columns = (start + factor * np.arange(side) for start, side in zip((top, left), fine.shape, strict=True))
    half = factor / 2
    paper = place.paper.levels((rows + half) / picture.height, (columns + half) / picture.width)
    ink = place.sign * (paper - fine)
    lighter = ink[ink < 0]
    noise = math.sqrt(lighter @ lighter / max(1, lighter.size))
    ink *= place.cells[rows // place.down][:, columns // place.across]
    strongest = peak(ink)
    if strongest < LEAST_CONTRAST:
        return np.zeros_like(ink)
    faint = min(max(noise, FAINT[0] * strongest), FAINT[1] * strongest)
    lifted: Levels = (ink - np.float32(faint)) * np.float32(255 / (strongest - faint))
    return np.minimum(np.maximum(lifted, 0), 255)


def crop(ink: Levels) -> Levels | None:
    """Cuts ink off where it ends, and makes it white; None where there is none: float32[H, W] -> float32[h, w]."""
    solid = ink >= SOLID
    if not solid.any():
        return None
    return whiten(ink[slice(*span(solid, axis=0)), slice(*span(solid, axis=1))])


def whiten(ink: Levels) -> Levels:
    """Makes the typical level of ink white: float32[h, w] -> float32[h, w]."""
    typical = median(ink[ink > ink.max() / 4])
    white: Levels = np.minimum(ink * np.float32(255 / typical), 255)
    return white


def widen(ink: Levels, side: float) -> Levels:
    """Widens the strokes of a thin pen, in steps of at most a pixel of the box: float32[h, w] -> a little larger.

    `side` is how many pixels of `ink` are the 20 of the box.
    """
    while side >= 2 * BOX and stroke_width(ink) * BOX / side < THINNEST:
        ink = whiten(strongest_nearby(framed(ink, 2)))
        side += 2
    return ink


def stroke_width(ink: Levels) -> float:
    """The mean width of strokes, in pixels, by the ink that is lost when a pixel is taken off all around."""
    left = 255 - strongest_nearby(255 - framed(ink, 1))
    mass, core = float(ink.sum()), float(left.sum())
    return 2 * mass / (mass - core)


def strongest_nearby(ink: Levels) -> Levels:
    """The strongest of each pixel and its eight neighbours: float32[h, w] -> float32[h - 2, w - 2]."""
    tall = np.maximum(np.maximum(ink[:-2], ink[1:-1]), ink[2:])
    return np.maximum(np.maximum(tall[:, :-2], tall[:, 1:-1]), tall[:, 2:])


def fit(ink: Levels) -> Grey:
    """Scales ink so that its longer side is 20 pixels: float32[H, W] -> uint8[h, w]."""
    height, width = (max(1, round(side * BOX / max(ink.shape))) for side in ink.shape)
    return np.rint(average_rows(average_rows(ink, height).T, width).T).astype(np.uint8)


def average_rows(ink: Levels, rows: int) -> Levels:
    """Scales to so many rows, each the mean of what it covers of the old ones: float32[H, W] -> float32[rows, W]."""
    averaged: Levels = shares(ink.shape[0], rows) @ ink
    return averaged


@lru_cache(64)
def shares(old: int, new: int) -> Levels:
    """The part that each of `old` rows has in each of `new` rows, by the area that they share: float32[new, old]."""
    edges = np.arange(new + 1)[:, None] * (old / new)
    above = np.clip(edges - np.arange(old), 0, 1)
    return np.asarray(np.diff(above, axis=0) * (new / old), np.float32)


def centre(ink: Grey) -> Grey:
    """Places ink of at most 20 x 20 so that its mass is centred, by whole pixels: uint8[h, w] -> uint8[28, 28].

    The centre is pixel 14, counted from 0: all of MNIST has its centre of mass in 13.5 to 14.5.
    """
    image = np.zeros((SIDE, SIDE), np.uint8)
    offsets = []
    for axis, side in enumerate(ink.shape):
        masses = ink.sum(axis=1 - axis, dtype=np.int64)
        middle = float(masses @ np.arange(side)) / float(masses.sum())
        offsets.append(min(max(round(SIDE / 2 - middle), 0), SIDE - side))
    top, left = offsets
    image[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return image
