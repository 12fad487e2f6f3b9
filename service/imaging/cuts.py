"""Where touching digits may be cut: seams from top to bottom that cross as little ink as they can.

A seam is the cheapest path (dynamic programming, as in carving) near a straight line that leans as the writing does;
it steps at most one pixel aside in a row, so that it goes around what is round. It knows ink, and no digits.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.imaging.locate import Levels

Columns = NDArray[np.intp]
Costs = NDArray[np.float32]

SLANTS = np.arange(-6, 7) / 10  # pixels to the left for each pixel down, among which that of the writing is looked for
LEANING = -0.2, 0.0, 0.2  # seams lean by so much more or less than the writing, for no two digits lean alike
REACHES = 0.06, 0.16  # of the line's height, how far aside a seam may go; far ones alone would all fall together
ASIDE = 0.05  # what a step aside costs, in pixels of solid ink
APART = 0.03  # of the square of the line's height: the ink between two seams, and beside the first and the last
MOST_INK = 0.6  # of the line's height, that a seam may cross
MOST_SEAMS, SINGLE = 10, 0.4  # for each height that ink is wide, beyond what a single narrow digit is
LEAST_SEAMS = 2


class Seams(NamedTuple):
    """Columns int[n, H], left to right: a pixel belongs to the left while its column is less; and the ink they cross.

    `crossed` is in parts of the line's height.
    """

    columns: Columns
    crossed: Costs


def find_seams(ink: Levels, height: float) -> Seams:
    """The best few ways to cut ink of 0..255, float32[H, W], on a line of digits of this height."""
    solid = ink / np.float32(255)
    slant = find_slant(solid)
    found = [
        cheapest(solid, slant + leaning, max(1, round(reach * height))) for leaning in LEANING for reach in REACHES
    ]
    columns, crossed = (np.concatenate(parts) for parts in zip(*found, strict=True))
    crossed /= height
    left = np.pad(solid.cumsum(axis=1), ((0, 0), (1, 0)))[np.arange(len(ink)), columns]
    crossed[~is_between(left, solid.sum(axis=1), APART * height**2)] = np.inf
    most = max(LEAST_SEAMS, round(MOST_SEAMS * (ink.shape[1] / height - SINGLE)))
    chosen = choose(left, columns, crossed, APART * height**2, most)
    return Seams(columns[chosen], crossed[chosen])


def find_slant(ink: Levels) -> float:
    """How far to the left ink leans for each pixel down: where its columns, slanted so, are fullest and emptiest."""
    rows, columns = np.nonzero(ink > 0.5)
    if not rows.size:
        return 0.0
    places = columns[:, None] - np.rint((rows[:, None] - len(ink) / 2) * -SLANTS).astype(np.intp)
    places -= places.min()
    counts = [np.bincount(places[:, way]).astype(np.float64) for way in range(len(SLANTS))]
    return float(SLANTS[int(np.argmax([(count**2).sum() for count in counts]))])


def cheapest(ink: Levels, slant: float, reach: int) -> tuple[Columns, Costs]:
    """The cheapest seam within `reach` columns of each slanted line: int[n, H], and the ink that each crosses."""
    height, width = ink.shape
    lean = np.rint((np.arange(height) - height / 2) * -slant).astype(np.intp)
    starts = np.arange(1 - lean.max(), width - lean.min())
    beyond = height + width + reach
    padded = np.pad(ink, ((0, 0), (beyond, beyond)))
    rows = np.arange(height)
    places = np.arange(starts[0] - reach, starts[-1] + reach + 1) + beyond + lean[:, None]
    near = np.lib.stride_tricks.sliding_window_view(padded[rows[:, None], places], 2 * reach + 1, axis=1)
    cost = np.zeros((len(starts), 2 * reach + 1), np.float32)
    moves = np.empty((height, *cost.shape), np.int8)
    ways = np.empty((3, *cost.shape), np.float32)
    for row in range(height):
        ways[0], ways[1:] = cost, np.inf
        ways[1, :, 1:], ways[2, :, :-1] = cost[:, :-1] + ASIDE, cost[:, 1:] + ASIDE
        moves[row] = ways.argmin(axis=0)
        cost = ways.min(axis=0) + near[row]
    columns = trace(cost, moves) - reach + starts[:, None] + lean
    crossed = padded[rows, columns + beyond].sum(axis=1)
    return columns.clip(0, width), crossed


def trace(cost: Costs, moves: NDArray[np.int8]) -> Columns:
    """Follows the moves back from where each seam ends at least cost: which offset each has in each row."""
    seams = np.arange(len(cost))
    at = cost.argmin(axis=1)
    offsets = np.empty((len(cost), len(moves)), np.intp)
    for row in range(len(moves) - 1, -1, -1):
        offsets[:, row] = at
        at = at + np.array([0, -1, 1])[moves[row, seams, at]]
    return offsets


def is_between(left: Levels, whole: Levels, least: float) -> NDArray[np.bool_]:
    """Whether each seam has so much ink on both sides, given that of every row on its left and altogether."""
    before = left.sum(axis=1)
    return np.asarray((before >= least) & (whole.sum() - before >= least))


def choose(left: Levels, columns: Columns, crossed: Costs, apart: float, most: int) -> list[int]:
    """The cheapest first, each with so much ink between it and those that are chosen; from left to right."""
    free = crossed <= MOST_INK
    chosen: list[int] = []
    while len(chosen) < most and free.any():
        best = int(np.where(free, crossed, np.inf).argmin())
        chosen.append(best)
        free &= np.abs(left - left[best]).sum(axis=1) >= apart
    return sorted(chosen, key=lambda seam: float(columns[seam].mean()))
