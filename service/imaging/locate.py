"""Where the digit is in a picture: the paper, whether the ink is darker or lighter, and the pieces that are the digit.

It looks at a coarse map of at most 128 x 128 cells, whatever the picture's size: noise averages away there, and the
time does not grow with the picture. It knows nothing of the size that a digit ends at.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.imaging.components import Cells, are_several, framed, select_digit

Levels = NDArray[np.float32]
Places = NDArray[np.float64]

MAP_SIDE = 128
STRIP = 1 / 16  # of a side: the border, where the paper shows
RIDGE = 1e-6  # keeps the fit solvable in a picture of one row
FITTED = 32  # rows and columns of the map, at least, to which the paper's surface is fitted
MOST_TILT = 40  # grey levels between a side's paper and all paper, where the sides lie in no plane
DEGREES = 3  # of y and of x: 0 to 2
TERMS = np.array([0, 1, 0, 2, 1, 0]), np.array([0, 0, 1, 0, 1, 2])  # powers of y and of x, together at most the second
PAIRS = tuple(np.add.outer(each, each) for each in TERMS)
LEAST_CONTRAST = 12  # grey levels between paper and ink; a thin pen covers its cells in part
NOISE_FACTOR = 5  # ink stands out by so many standard deviations of the paper's noise
STRONGEST = 4  # pixels: three may be specks
SOLID, FAINT = 0.35, 0.15  # of the strongest ink: more than the first is ink, less than the second is paper


class Paper(NamedTuple):
    """The level of the empty paper under uneven light: a quadratic surface over the picture.

    With y down and x to the right, both 0 in the middle and 1 from side to side, the level is the sum of
    `terms[i, j]` times y ** i times x ** j.
    """

    terms: NDArray[np.float64]

    def levels(self, rows: Places, columns: Places) -> Levels:
        """The surface at places of 0 to 1 of the height and of the width: float32[rows, columns]."""
        return self.surface(powers(rows), powers(columns))

    def surface(self, y: Places, x: Places) -> Levels:
        """The surface at places whose powers are given."""
        return (y[:, :DEGREES] @ self.terms).astype(np.float32) @ x[:, :DEGREES].T.astype(np.float32)


class Contrast(NamedTuple):
    """What stands out from the paper, float32[h, w], on a map of cells of `across` x `down` pixels.

    `sign` is 1 where ink is darker than the paper, and -1 where it is lighter; what is below `floor` may be noise.
    """

    across: int
    down: int
    paper: Paper
    sign: int
    floor: float
    ink: Levels


class Place(NamedTuple):
    """A digit's place in a picture: `box` in pixels (left, top, right, bottom), and which cells of the map it is in.

    A cell is `across` x `down` pixels. `sign` is 1 where ink is darker than the paper, and -1 where it is lighter.
    `is_several` where more digits than one are seen.
    """

    box: tuple[int, int, int, int]
    cells: Cells
    across: int
    down: int
    paper: Paper
    sign: int
    is_several: bool


def locate(picture: Image.Image) -> Place | None:
    """Finds the digit in a picture of mode L; None where there is no ink."""
    across, down, paper, sign, floor, ink = find_contrast(picture)
    digit, boxes = select_digit(find_ink(ink, floor))
    if not len(boxes):
        return None
    cells = grow(digit)
    (top, bottom), (left, right) = span(cells, axis=0), span(cells, axis=1)
    box = left * across, top * down, min(right * across, picture.width), min(bottom * down, picture.height)
    return Place(box, cells, across, down, paper, sign, are_several(boxes))


def find_contrast(picture: Image.Image) -> Contrast:
    """Tells ink from paper in a picture of mode L.

    Ink is what is darker than the paper, or what is lighter, whichever has more weight.
    """
    across, down = (-(-side // MAP_SIDE) for side in picture.size)
    coarse = np.asarray(picture.reduce((across, down)), np.float32)
    paper = find_paper(coarse)
    darker = paper.surface(grid(coarse.shape[0]), grid(coarse.shape[1])) - coarse
    floor = max(LEAST_CONTRAST, NOISE_FACTOR * find_noise(coarse))
    sign = 1 if weigh(darker, floor) >= weigh(-darker, floor) else -1
    return Contrast(across, down, paper, sign, floor, sign * darker)


def find_paper(levels: Levels) -> Paper:
    """The surface of the paper, without the ink: float32[H, W].

    It begins as the plane through the medians of the four sides, and is then fitted, by least squares, to what differs
    little from it. A drawing on a screen has one level along all sides, and no light to make it uneven.
    """
    corner = levels[0, 0]
    if all(2 * np.count_nonzero(strip == corner) > strip.size for strip in border(levels)):
        return plane(float(corner))
    paper = find_plane(levels)
    down, across = (max(1, side // FITTED) for side in levels.shape)
    thin = levels[::down, ::across]
    y, x = grid(levels.shape[0])[::down], grid(levels.shape[1])[::across]
    for share in (SOLID, FAINT):
        difference = np.abs(paper.surface(y, x) - thin)
        paper = fit_paper(thin, difference <= max(LEAST_CONTRAST, share * peak(difference)), y, x)
    return paper


def fit_paper(levels: Levels, empty: Cells, y: Places, x: Places) -> Paper:
    """The surface nearest to float32[H, W] where that is empty, given the powers of its places.

    The normal equations hold sums of y ** i times x ** j over the empty places: two small products of matrices.
    """
    moments = y.T @ empty @ x
    products = y[:, :DEGREES].T @ (levels * empty) @ x[:, :DEGREES]
    terms = np.zeros((DEGREES, DEGREES))
    terms[TERMS] = np.linalg.solve(moments[PAIRS] + RIDGE * np.eye(len(PAIRS[0])), products[TERMS])
    return Paper(terms)


def powers(places: Places) -> Places:
    """The powers 0 to 4 of places of 0 to 1, counted from the middle: float64[places, 5]."""
    return np.vander(places - 0.5, 2 * DEGREES - 1, increasing=True)


@lru_cache(MAP_SIDE)
def grid(cells: int) -> Places:
    """The powers of the middles of so many cells: float64[cells, 5]."""
    return powers(middles(cells))


def middles(cells: int) -> Places:
    """The middle of each cell in a row of so many, which lie from 0 to 1: float64[cells]."""
    return (np.arange(cells) + 0.5) / cells


def find_plane(levels: Levels) -> Paper:
    """The plane through the medians of the four sides: float32[H, W]."""
    sides = np.array([median(strip) for strip in border(levels)])
    middle = float(np.sort(sides)[1:3].mean())
    top, bottom, left, right = sides.tolist()
    if abs(top + bottom - left - right) > MOST_TILT:  # no plane: a line or a stroke lies along a side
        top, bottom, left, right = np.clip(sides, middle - MOST_TILT, middle + MOST_TILT).tolist()
    return plane(middle, bottom - top, right - left)


def plane(level: float, down: float = 0, across: float = 0) -> Paper:
    """Paper that is so much lighter at the bottom than at the top, and at the right than at the left."""
    return Paper(np.array([[level, across, 0], [down, 0, 0], [0, 0, 0]]))


def find_noise(levels: Levels) -> float:
    """The standard deviation of the paper's noise, from the median step between neighbours in a row: float32[H, W]."""
    if levels.shape[1] == 1:
        levels = levels.T
    thin = levels[:: max(1, levels.shape[0] // FITTED)]
    steps = np.abs(np.diff(thin, axis=1))
    return 1.4826 / 2**0.5 * median(steps) if steps.size else 0.0


def median(levels: Levels) -> float:
    """The middle level, the higher of two. numpy's own takes 20 us more, for its checks."""
    return ranked(levels, levels.size // 2)


def ranked(levels: Levels, place: int) -> float:
    """The level at this place, were all sorted.

    numpy is asked for two places, for it takes 20 times as long to find one among many equal levels (2.3, AVX-512).
    """
    return float(np.partition(levels, (place, -1), axis=None)[place])


def border(levels: Levels) -> list[Levels]:
    """The strips along the top, bottom, left and right side: float32[H, W] -> four narrower ones."""
    height, width = (max(1, round(side * STRIP)) for side in levels.shape)
    strips = levels[:height], levels[-height:], levels[:, :width], levels[:, -width:]
    return list(strips)


def weigh(ink: Levels, floor: float) -> float:
    """The weight of ink above the noise: fourth powers count a small digit for more than a wide, weak shadow."""
    squares = np.square(ink[ink > floor])
    return float(squares @ squares)


def find_ink(ink: Levels, floor: float) -> Cells:
    """The cells with ink, none where the strongest is no more than noise: float32[H, W] -> bool[H, W]."""
    strongest = peak(ink)
    return ink > (SOLID * strongest if strongest > floor else np.inf)


def peak(ink: Levels) -> float:
    """The level of the strongest ink that is no single speck, the fourth strongest pixel: float32[H, W].

    The four strongest are in the four rows with the strongest; the others need not be looked through, which is slow.
    """
    if len(ink) > STRONGEST:
        ink = ink[np.argpartition(ink.max(axis=1), -STRONGEST)[-STRONGEST:]]
    return ranked(ink, max(0, ink.size - STRONGEST))


def grow(cells: Cells) -> Cells:
    """Adds the eight neighbours of every cell: bool[H, W] -> bool[H, W]."""
    padded = framed(cells, 1)
    tall = padded[:-2] | padded[1:-1] | padded[2:]
    return tall[:, :-2] | tall[:, 1:-1] | tall[:, 2:]


def span(cells: Cells, axis: int) -> tuple[int, int]:
    """The first row (axis 0) or column (axis 1) with a cell in it, and the one after the last."""
    places = np.flatnonzero(cells.any(axis=1 - axis))
    return int(places[0]), int(places[-1]) + 1
