"""Pieces of ink -> lines of them, as they are read. It knows boxes, and neither ink nor digits."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.intp]  # [N, 4]: top, left, bottom, right

TALL = 0.4  # of the usual height: a piece that may be a digit; less is a point, a minus, a broken stroke or dust
SHARED = 0.4  # of the lower one's height, by which two pieces on a line overlap
BEFORE = 3  # pieces that say where a line goes on
NEAR = 0.25  # of the line's height: how far above or below it a small piece may lie
ABOVE = 0.3  # of the narrower one's width, by which two strokes of a character lie above each other
ONE = 1.2  # of the usual height, that they have together at most
MOST_JOINED = 500  # pieces: of more, none are joined, for each is compared with each


class Line(NamedTuple):
    """The pieces of a line, tall ones and small ones, by number, and the usual height of the tall ones."""

    tall: list[int]
    small: list[int]
    height: float


def join_broken(boxes: Boxes) -> NDArray[np.intp]:
    """Which pieces are strokes of one character: the first of them, for each, int[N].

    Those lie above each other, and together are no higher than a character is.
    """
    count = len(boxes)
    owners = np.arange(count)
    if not 1 < count <= MOST_JOINED:
        return owners
    usual = usual_height(boxes[:, 2] - boxes[:, 0])
    top, left, bottom, right = boxes.T
    across = np.minimum(right[:, None], right) - np.maximum(left[:, None], left)
    narrower = np.minimum((right - left)[:, None], right - left)
    together = np.maximum(bottom[:, None], bottom) - np.minimum(top[:, None], top)
    joined = (across > ABOVE * narrower) & (together <= ONE * usual)
    while True:  # each takes the first of all that it is joined with
        firsts = np.where(joined, owners, count).min(axis=1)
        if (firsts == owners).all():
            return owners
        owners = firsts


def find_lines(boxes: Boxes) -> list[Line]:
    """Lines from top to bottom, each with its pieces from left to right."""
    if not len(boxes):
        return []
    heights = boxes[:, 2] - boxes[:, 0]
    usual = usual_height(heights)
    middles = (boxes[:, 1] + boxes[:, 3]) / 2
    order = np.argsort(middles, kind="stable").tolist()
    tall = [piece for piece in order if heights[piece] >= TALL * usual]
    lines = chain(tall, boxes)
    lines.sort(key=lambda line: float(np.mean([boxes[piece, 0] + boxes[piece, 2] for piece in line])))
    small = [piece for piece in order if heights[piece] < TALL * usual]
    owners = [nearest(piece, lines, boxes) for piece in small]
    return [
        Line(line, [p for p, owner in zip(small, owners, strict=True) if owner == number], usual_height(heights[line]))
        for number, line in enumerate(lines)
    ]


def usual_height(heights: NDArray[np.intp]) -> float:
    """The median height of what is no dust."""
    return float(np.median(heights[heights >= TALL * heights.max()]))


def chain(pieces: list[int], boxes: Boxes) -> list[list[int]]:
    """Each piece, from left to right, follows the line whose last piece lies beside it; else it begins a line."""
    lines: list[list[int]] = []
    for piece in pieces:
        beside = [(shared(boxes[line[-BEFORE:]], boxes[piece]), number) for number, line in enumerate(lines)]
        best, number = max(beside, default=(0.0, 0))
        if best >= SHARED:
            lines[number].append(piece)
        else:
            lines.append([piece])
    return lines


def shared(before: Boxes, box: NDArray[np.intp]) -> float:
    """By how much a box overlaps a few others' median top and bottom, as a part of the lower one's height."""
    top, bottom = np.median(before[:, 0]), np.median(before[:, 2])
    return float((min(bottom, box[2]) - max(top, box[0])) / min(bottom - top, box[2] - box[0]))


def nearest(piece: int, lines: list[list[int]], boxes: Boxes) -> int | None:
    """The line that a small piece lies on; None where it lies on none."""
    middle, across = (boxes[piece, 0] + boxes[piece, 2]) / 2, (boxes[piece, 1] + boxes[piece, 3]) / 2
    for number, line in enumerate(lines):
        neighbour = boxes[min(line, key=lambda other: abs((boxes[other, 1] + boxes[other, 3]) / 2 - across))]
        reach = NEAR * (neighbour[2] - neighbour[0])
        if neighbour[0] - reach <= middle <= neighbour[2] + reach:
            return number
    return None
