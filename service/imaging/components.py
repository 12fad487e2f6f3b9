"""Connected pieces of ink, and which of them belong to the digit. It knows cells, and no grey levels."""

from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

Cells = NDArray[np.bool_]
Labels = NDArray[np.intp]
Scalar = TypeVar("Scalar", bound=np.generic)

SPECK = 0.02  # of the largest piece's cells: smaller ones are dust
MARGIN = 0.12  # of each side: what keeps to it, and runs along most of a side, is a ruled line, a frame or a shadow
ALONG = 0.8
TALL = 0.6  # of the tallest piece: shorter ones are parts of a digit
GAP = 0.03  # of the tallest piece's height: paper between two digits


class Pieces(NamedTuple):
    """The 8-connected pieces of a map, as runs of cells along its rows, in reading order.

    Run i covers the cells from `starts[i]` to `ends[i]`, the latter not included, of row `rows[i]`, and belongs to the
    piece `numbers[i]`, counted from 0.
    """

    rows: Labels
    starts: Labels
    ends: Labels
    numbers: Labels

    def sizes(self) -> Labels:
        """The cells of each piece: int[pieces]."""
        return np.bincount(self.numbers, self.ends - self.starts).astype(np.intp)

    def boxes(self) -> Labels:
        """Where each piece begins and ends: int[pieces, 4], that is top, left, bottom, right."""
        boxes = np.zeros((4, self.numbers.max(initial=-1) + 1), np.intp)
        boxes[:2] = np.iinfo(np.intp).max
        np.minimum.at(boxes[0], self.numbers, self.rows)
        np.minimum.at(boxes[1], self.numbers, self.starts)
        np.maximum.at(boxes[2], self.numbers, self.rows + 1)
        np.maximum.at(boxes[3], self.numbers, self.ends)
        return boxes.T


def select_digit(cells: Cells) -> tuple[Cells, Labels]:
    """Keeps the pieces of ink that belong to the digit, without specks and border lines.

    Takes and gives bool[H, W]; and gives the boxes of the pieces, as Pieces.boxes does.
    """
    if not cells.any():
        return cells, np.zeros((0, 4), np.intp)
    pieces = find_pieces(cells)
    sizes, boxes = pieces.sizes(), pieces.boxes()
    inner = np.where(are_border_lines(pieces, boxes, cells.shape), 0, sizes)
    if inner.max() > SPECK * sizes.max():
        sizes = inner
    kept = sizes > SPECK * sizes.max()
    return cells if kept.all() else paint(cells, pieces, kept), boxes[kept]


def are_several(boxes: Labels) -> bool:
    """Whether pieces with these boxes are more digits than one: two tall ones of like height, with paper between.

    That is said of 3 in 5,000 single digits (MNIST, validation split). Digits that touch are left to the reader.
    """
    if len(boxes) < 2:  # as nearly always
        return False
    top, left, bottom, right = boxes.T
    heights, widths = bottom - top, right - left
    is_tall = (heights > TALL * heights.max()) & (heights > widths / 2)
    if not is_tall.any():
        return False
    starts, ends = boxes[is_tall, :2], boxes[is_tall, 2:]
    gaps = (starts[:, None] - ends).max(axis=2)
    return bool(gaps.max() > GAP * heights.max())


def are_border_lines(pieces: Pieces, boxes: Labels, shape: tuple[int, ...]) -> Cells:
    """Which pieces keep to the margin and run along most of a side: bool[pieces]."""
    height, width = shape
    across, along = int(MARGIN * height), int(MARGIN * width)
    top, left, bottom, right = boxes.T
    long = (bottom - top > ALONG * height) | (right - left > ALONG * width)
    if long.any():
        is_inside = (pieces.rows >= across) & (pieces.rows < height - across)
        is_inside &= (pieces.ends > along) & (pieces.starts < width - along)
        long[pieces.numbers[is_inside]] = False
    return np.asarray(long)


def label(cells: Cells) -> Labels:
    """Numbers the 8-connected pieces from 1: bool[H, W] -> int[H, W], 0 where there is none."""
    return number(cells, find_pieces(cells))


def number(cells: Cells, pieces: Pieces) -> Labels:
    """The number of the piece that each cell belongs to, from 1: bool[H, W] -> int[H, W], 0 where there is none."""
    return paint(cells, pieces, np.arange(1, pieces.numbers.max(initial=-1) + 2))


def paint(cells: Cells, pieces: Pieces, values: NDArray[Scalar]) -> NDArray[Scalar]:
    """Gives the cells of each piece its value: bool[H, W], [pieces] -> [H, W], 0 where there is none."""
    painted = np.zeros(cells.shape, values.dtype)
    painted[cells] = np.repeat(values[pieces.numbers], pieces.ends - pieces.starts)
    return painted


def find_pieces(cells: Cells) -> Pieces:
    """The 8-connected pieces of bool[H, W].

    Runs of a row are joined with the runs of the row above that they touch (union-find over runs).
    """
    padded = framed(cells, 1)[1:-1]
    edges = np.flatnonzero(padded[:, 1:] != padded[:, :-1])
    rows, starts = np.divmod(edges[::2], cells.shape[1] + 1)
    ends = starts + edges[1::2] - edges[::2]
    parents = np.array(join_runs(rows.tolist(), starts.tolist(), ends.tolist()), np.intp)
    is_first = parents == np.arange(len(parents))
    numbers = (np.cumsum(is_first) - 1)[ancestors(parents)]
    return Pieces(rows, starts, ends, numbers)


def ancestors(parents: Labels) -> Labels:
    """The first ancestor of each: int[runs] -> int[runs]. Each round doubles the generations that are passed over."""
    while ((older := parents[parents]) != parents).any():
        parents = older
    return parents


def framed(cells: NDArray[Scalar], width: int) -> NDArray[Scalar]:
    """Puts zeros around: [H, W] -> [H + 2 * width, W + 2 * width]; numpy's pad takes 20 us more."""
    height, length = cells.shape
    frame = np.zeros((height + 2 * width, length + 2 * width), cells.dtype)
    frame[width : width + height, width : width + length] = cells
    return frame


def join_runs(rows: list[int], starts: list[int], ends: list[int]) -> list[int]:
    """The parent of each run, in reading order: an earlier run of its piece, or itself for the first of a piece."""
    parents = list(range(len(rows)))
    above = 0
    for run, row in enumerate(rows):
        start, end, first = starts[run], ends[run], run
        while rows[above] < row - 1 or (rows[above] == row - 1 and ends[above] < start):
            above += 1
        touching = above
        while rows[touching] == row - 1 and starts[touching] <= end:
            other = find(parents, touching)
            older, newer = (other, first) if other < first else (first, other)
            parents[newer] = first = older
            touching += 1
    return parents


def find(parents: list[int], run: int) -> int:
    """The first ancestor of a run; the path to it is halved on the way."""
    while (parent := parents[run]) != run:
        parents[run] = run = parents[parent]
    return run
