"""Connected pieces of ink, and which of them belong to the digit. It knows cells, and no grey levels."""

import numpy as np
from numpy.typing import NDArray

Cells = NDArray[np.bool_]
Labels = NDArray[np.intp]

SPECK = 0.02  # of the largest piece's cells: smaller ones are dust
MARGIN = 0.12  # of each side: what keeps to it, and runs along most of a side, is a ruled line, a frame or a shadow
ALONG = 0.8


def select_digit(cells: Cells) -> Cells:
    """Keeps the pieces of ink that belong to the digit: bool[H, W] -> bool[H, W], without specks and border lines."""
    labels = label(cells)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    inner = sizes.copy()
    inner[border_lines(labels, sizes)] = 0
    if inner.max() > SPECK * sizes.max():
        sizes = inner
    kept: Cells = (sizes > SPECK * sizes.max())[labels]
    return kept


def border_lines(labels: Labels, sizes: Labels) -> list[int]:
    """The pieces that keep to the margin and run along most of a side."""
    height, width = labels.shape
    across, along = int(MARGIN * height), int(MARGIN * width)
    outside = sizes > ALONG * min(height, width)
    outside[labels[across : height - across, along : width - along]] = False
    return [
        int(piece)
        for piece in np.flatnonzero(outside)
        if (labels == piece).any(axis=1).sum() > ALONG * height or (labels == piece).any(axis=0).sum() > ALONG * width
    ]


def label(cells: Cells) -> Labels:
    """Numbers the 8-connected pieces from 1: bool[H, W] -> int[H, W], 0 where there is none.

    Runs of a row are joined with the runs of the row above that they touch (union-find over runs).
    """
    steps = np.diff(np.pad(cells, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(steps == 1)
    ends = np.nonzero(steps == -1)[1]
    parents = join_runs(rows.tolist(), starts.tolist(), ends.tolist())
    roots = np.unique([find(parents, run) for run in range(len(parents))], return_inverse=True)[1]
    labels = np.zeros(cells.shape, np.intp)
    labels[cells] = np.repeat(roots + 1, ends - starts)
    return labels


def join_runs(rows: list[int], starts: list[int], ends: list[int]) -> list[int]:
    """The parent of each run, in reading order: an earlier run of its piece, or itself."""
    parents = list(range(len(rows)))
    above = 0
    for run, row in enumerate(rows):
        while rows[above] < row - 1 or (rows[above] == row - 1 and ends[above] < starts[run]):
            above += 1
        touching = above
        while touching < run and rows[touching] == row - 1 and starts[touching] <= ends[run]:
            parents[find(parents, run)] = find(parents, touching)
            touching += 1
    return parents


def find(parents: list[int], run: int) -> int:
    """The first ancestor of a run; the path to it is halved on the way."""
    while parents[run] != run:
        parents[run] = run = parents[parents[run]]
    return run
