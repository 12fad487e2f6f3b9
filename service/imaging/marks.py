"""Small pieces of ink on a line: points, minus signs, broken strokes of a digit, and dust. It knows boxes alone."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.imaging.lines import Boxes, Line

DUST = 0.004  # of the square of the line's height: fewer pixels are nothing
ABOVE = 0.5  # of a small piece's width, by which it lies above or below a tall one: a stroke of the same digit
POINT = 0.32  # of the line's height: no point is wider or higher
LOW = 0.65  # of the way down the line, where points lie
FLAT = 1.7, 0.25, 0.25, 1.0  # a minus: times as wide as high, at most so high, so wide at least and at most
MIDDLE = 0.25, 0.75  # of the way down, where it lies
NEAR = 0.2  # of the line's height: a broken stroke lies so near to the rest of its digit


class Small(NamedTuple):
    """The small pieces of a line that belong to digits, and those that are marks, with their signs."""

    strokes: list[int]
    marks: list[tuple[str, int]]


def sort_small(line: Line, boxes: Boxes, sizes: NDArray[np.intp]) -> Small:
    """Tells small pieces apart, given how many pixels each piece has."""
    strokes: list[int] = []
    marks: list[tuple[str, int]] = []
    for piece in line.small:
        if sizes[piece] < DUST * line.height**2:
            continue
        if is_over(piece, line.tall, boxes):
            strokes.append(piece)
        elif sign := sign_of(piece, line, boxes):
            marks.append((sign, piece))
        elif is_near(piece, line, boxes):
            strokes.append(piece)
    return Small(strokes, marks)


def is_over(piece: int, tall: list[int], boxes: Boxes) -> bool:
    """Whether it lies above or below a tall piece, or in it."""
    left, right = boxes[piece, 1], boxes[piece, 3]
    shared = np.minimum(boxes[tall, 3], right) - np.maximum(boxes[tall, 1], left)
    return bool((shared > ABOVE * (right - left)).any())


def is_near(piece: int, line: Line, boxes: Boxes) -> bool:
    """Whether it may be a part of a digit beside it."""
    gaps = np.maximum(boxes[line.tall, 1] - boxes[piece, 3], boxes[piece, 1] - boxes[line.tall, 3])
    return bool(gaps.min() < NEAR * line.height)


def sign_of(piece: int, line: Line, boxes: Boxes) -> str | None:
    """The sign that a small piece is by its size and place; None for neither."""
    top, left, bottom, right = boxes[piece] / line.height
    near = min(
        line.tall, key=lambda other: abs(int(boxes[other, 1] + boxes[other, 3] - boxes[piece, 1] - boxes[piece, 3]))
    )
    upper, lower = boxes[near, 0] / line.height, boxes[near, 2] / line.height
    down = ((top + bottom) / 2 - upper) / (lower - upper)
    width, height = right - left, bottom - top
    if max(width, height) <= POINT and down >= LOW:
        return "."
    slim, high, least, most = FLAT
    if width >= slim * height and height <= high and least <= width <= most and MIDDLE[0] <= down <= MIDDLE[1]:
        return "-"
    return None
