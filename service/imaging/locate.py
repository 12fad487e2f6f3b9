"""Where the digit is in a picture: the paper, whether the ink is darker or lighter, and the pieces that are the digit.

It looks at a coarse map of at most 128 x 128 cells, whatever the picture's size: noise averages away there, and the
time does not grow with the picture. It knows nothing of the size that a digit ends at.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.imaging.components import Cells, select_digit

Levels = NDArray[np.float32]
Places = NDArray[np.float64]

MAP_SIDE = 128
STRIP = 1 / 16  # of a side: the border, where the paper shows
RIDGE = 1e-6  # keeps the fit solvable in a picture of one row
FITTED = 32  # rows and columns of the map, at least, to which the paper's surface is fitted
MOST_TILT = 40  # grey levels between a side's paper and all paper, where the sides lie in no plane
LEAST_CONTRAST = 12  # grey levels between paper and ink; a thin pen covers its cells in part
NOISE_FACTOR = 5  # ink stands out by so many standard deviations of the paper's noise
SOLID, FAINT = 0.35, 0.15  # of the strongest ink: more than the first is ink, less than the second is paper


class Paper(NamedTuple):
    """The level of the empty paper under uneven light: a quadratic surface over the picture, given by `terms`.

    With y down and x to the right, both 0 in the middle and 1 from side to side, the level is the sum of the terms
    times 1, y, x, y * y, y * x, x * x.
    """

    terms: tuple[float, ...]

    def levels(self, rows: Places, columns: Places) -> Levels:
        """The surface at places of 0 to 1 of the height and of the width: float32[rows, columns]."""
        level, down, across, down_bend, twist, across_bend = self.terms
        y, x = rows[:, None] - 0.5, columns - 0.5
        return (level + y * (down + down_bend * y) + x * (across + across_bend * x) + twist * y * x).astype(np.float32)


class Place(NamedTuple):
    """A digit's place in a picture: `box` in pixels (left, top, right, bottom), and which cells of the map it is in.

    A cell is `across` x `down` pixels. `sign` is 1 where ink is darker than the paper, and -1 where it is lighter.
    """

    box: tuple[int, int, int, int]
    cells: Cells
    across: int
    down: int
    paper: Paper
    sign: int


def locate(picture: Image.Image) -> Place | None:
    """Finds the digit in a picture of mode L; None where there is no ink.

    Ink is what is darker than the paper, or what is lighter, whichever has more weight.
    """
    across, down = (-(-side // MAP_SIDE) for side in picture.size)
    coarse = np.asarray(picture.reduce((across, down)), np.float32)
    paper = find_paper(coarse)
    darker = paper.levels(middles(coarse.shape[0]), middles(coarse.shape[1])) - coarse
    floor = max(LEAST_CONTRAST, NOISE_FACTOR * find_noise(coarse))
    sign = 1 if weigh(darker, floor) >= weigh(-darker, floor) else -1
    cells = grow(select_digit(find_ink(sign * darker, floor)))
    if not cells.any():
        return None
    (top, bottom), (left, right) = span(cells, axis=0), span(cells, axis=1)
    box = left * across, top * down, min(right * across, picture.width), min(bottom * down, picture.height)
    return Place(box, cells, across, down, paper, sign)


def find_paper(levels: Levels) -> Paper:
    """The surface of the paper, without the ink: float32[H, W].

    It begins as the plane through the medians of the four sides, and is then fitted, by least squares, to what differs
    little from it.
    """
    paper = find_plane(levels)
    down, across = (max(1, side // FITTED) for side in levels.shape)
    thin = levels[::down, ::across]
    rows, columns = middles(levels.shape[0])[::down], middles(levels.shape[1])[::across]
    y, x = (place.ravel() - 0.5 for place in np.meshgrid(rows, columns, indexing="ij"))
    surface = np.stack([np.ones_like(y), y, x, y * y, y * x, x * x], axis=1)
    for share in (SOLID, FAINT):
        difference = np.abs(paper.levels(rows, columns) - thin).ravel()
        empty = surface * (difference <= max(LEAST_CONTRAST, share * peak(difference)))[:, None]
        terms = np.linalg.solve(empty.T @ surface + RIDGE * np.eye(6), empty.T @ thin.ravel())
        paper = Paper(tuple(terms.tolist()))
    return paper


def middles(cells: int) -> Places:
    """The middle of each cell in a row of so many, which lie from 0 to 1: float64[cells]."""
    return (np.arange(cells) + 0.5) / cells


def find_plane(levels: Levels) -> Paper:
    """The plane through the medians of the four sides: float32[H, W]."""
    sides = np.array([np.median(strip) for strip in border(levels)])
    middle = float(np.median(sides))
    top, bottom, left, right = sides.tolist()
    if abs(top + bottom - left - right) > MOST_TILT:  # no plane: a line or a stroke lies along a side
        top, bottom, left, right = np.clip(sides, middle - MOST_TILT, middle + MOST_TILT).tolist()
    return Paper((middle, bottom - top, right - left, 0, 0, 0))


def find_noise(levels: Levels) -> float:
    """The standard deviation of the paper's noise, from the median step between neighbours in a row: float32[H, W]."""
    steps = np.abs(np.diff(levels, axis=1 if levels.shape[1] > 1 else 0))
    return 1.4826 / 2**0.5 * float(np.median(steps)) if steps.size else 0.0


def border(levels: Levels) -> list[Levels]:
    """The strips along the top, bottom, left and right side: float32[H, W] -> four of float32[n]."""
    height, width = (max(1, round(side * STRIP)) for side in levels.shape)
    strips = levels[:height], levels[-height:], levels[:, :width], levels[:, -width:]
    return [strip.ravel() for strip in strips]


def weigh(ink: Levels, floor: float) -> float:
    """The weight of ink above the noise: fourth powers count a small digit for more than a wide, weak shadow."""
    return float((ink[ink > floor] ** 4).sum())


def find_ink(ink: Levels, floor: float) -> Cells:
    """The cells with ink, none where the strongest is no more than noise: float32[H, W] -> bool[H, W]."""
    strongest = peak(ink)
    return ink > (SOLID * strongest if strongest > floor else np.inf)


def peak(ink: Levels) -> float:
    """The level of the strongest ink that is no single speck: the fourth strongest pixel."""
    place = max(0, ink.size - 4)
    return float(np.partition(ink, place, axis=None)[place])


def grow(cells: Cells) -> Cells:
    """Adds the eight neighbours of every cell: bool[H, W] -> bool[H, W]."""
    padded = np.pad(cells, 1)
    tall = padded[:-2] | padded[1:-1] | padded[2:]
    return tall[:, :-2] | tall[:, 1:-1] | tall[:, 2:]


def span(cells: Cells, axis: int) -> tuple[int, int]:
    """The first row (axis 0) or column (axis 1) with a cell in it, and the one after the last."""
    places = np.flatnonzero(cells.any(axis=1 - axis))
    return int(places[0]), int(places[-1]) + 1
