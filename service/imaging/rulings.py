"""Ruled lines, combs of boxes and frames, taken out of what is written; strokes that cross them stay whole.

It knows solid pixels and pieces, and no digits.
"""

from itertools import pairwise

import numpy as np

from service.imaging.components import Cells, Labels
from service.imaging.lines import Boxes, usual_height

LONG = 0.35, 2.0  # of the width of all ink, and times the usual height: a straight run this long is a ruled line
THICK = 0.25  # of the usual height: more is no line
SIDE = 0.85  # of a side of a frame, that is drawn
BAND = 0.15  # of a frame's width and height, in which its sides lie
INSIDE = 0.03  # of what is within a frame, that is ink: a square nought has none
SKEW = 1  # pixels above and below, that a line may lie while it is followed


def find_rulings(solid: Cells, labels: Labels, boxes: Boxes) -> Cells:
    """The pixels of lines that no digit needs: bool[H, W] and its pieces -> bool[H, W]."""
    height = usual_height(boxes[:, 2] - boxes[:, 0])
    width = boxes[:, 3].max() - boxes[:, 1].min()
    lines = long_runs(solid, max(LONG[0] * width, LONG[1] * height)) & ~thick(solid, THICK * height)
    lines |= posts(solid, lines, height)
    for piece in np.flatnonzero(is_frame_sized(boxes, height)):
        top, left, bottom, right = boxes[piece]
        part = slice(top, bottom), slice(left, right)
        lines[part] |= frame_sides(labels[part] == piece + 1, solid[part])
    return lines & ~crossings(solid, lines, round(THICK * height))


def long_runs(solid: Cells, least: float) -> Cells:
    """The pixels of runs from left to right of at least this length, in lines that may lean a little."""
    near = spread(solid, SKEW)
    steps = np.diff(np.pad(near, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(steps == 1)
    ends = np.nonzero(steps == -1)[1]
    kept = ends - starts >= least
    edges = np.zeros((solid.shape[0], solid.shape[1] + 1), np.int32)
    np.add.at(edges, (rows[kept], starts[kept]), 1)
    np.add.at(edges, (rows[kept], ends[kept]), -1)
    return np.asarray(solid & (edges.cumsum(axis=1)[:, :-1] > 0))


def thick(solid: Cells, most: float) -> Cells:
    """The pixels in runs from top to bottom of more than this length."""
    down = solid.T
    steps = np.diff(np.pad(down, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    columns, starts = np.nonzero(steps == 1)
    ends = np.nonzero(steps == -1)[1]
    kept = ends - starts > most
    edges = np.zeros((down.shape[0], down.shape[1] + 1), np.int32)
    np.add.at(edges, (columns[kept], starts[kept]), 1)
    np.add.at(edges, (columns[kept], ends[kept]), -1)
    return np.asarray(edges.cumsum(axis=1)[:, :-1].T > 0)


def posts(solid: Cells, lines: Cells, height: float) -> Cells:
    """The upright lines of a comb: straight, thin, and from one ruled line to the next."""
    found = np.zeros_like(solid)
    full = np.flatnonzero(lines.sum(axis=1) > height)
    if not full.size:
        return found
    groups = np.split(full, np.flatnonzero(np.diff(full) > height / 2) + 1)
    for above, below in pairwise(groups):
        top, bottom = int(above[0]), int(below[-1]) + 1
        upright = long_runs(solid[top:bottom].T, SIDE * (bottom - top)).T
        found[top:bottom] |= upright & ~thick(upright.T, THICK * height).T
    return found


def is_frame_sized(boxes: Boxes, height: float) -> Cells:
    """Which pieces may be a frame around a digit: at least as high as a digit, and not narrow."""
    heights, widths = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    return np.asarray((heights >= height) & (widths >= height / 2))


def frame_sides(piece: Cells, solid: Cells) -> Cells:
    """The sides of a piece that is a frame with something in it: bool[h, w]; none where it is another piece."""
    height, width = piece.shape
    down, across = max(1, round(BAND * height)), max(1, round(BAND * width))
    rows, columns = piece.mean(axis=1), piece.mean(axis=0)
    sides = rows[:down], rows[-down:], columns[:across], columns[-across:]
    inside = solid[down : height - down, across : width - across]
    if min(side.max() for side in sides) < SIDE or inside.mean() < INSIDE:
        return np.zeros_like(piece)
    edge = np.zeros_like(piece)
    edge[:down], edge[-down:], edge[:, :across], edge[:, -across:] = (True,) * 4
    return piece & edge


def crossings(solid: Cells, lines: Cells, reach: int) -> Cells:
    """The pixels of lines with strokes both above and below them."""
    strokes = solid & ~lines
    above, below = strokes.copy(), strokes.copy()
    for _ in range(max(1, reach)):
        above[1:] |= above[:-1] & lines[1:]
        below[:-1] |= below[1:] & lines[:-1]
    return np.asarray(lines & above & below)


def spread(cells: Cells, reach: int) -> Cells:
    """Adds what is so many pixels above and below."""
    wide = cells.copy()
    for step in range(1, reach + 1):
        wide[step:] |= cells[:-step]
        wide[:-step] |= cells[step:]
    return wide
