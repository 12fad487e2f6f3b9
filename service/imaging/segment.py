"""A picture of a number -> its lines, each as the strips that a line reader takes.

Ink is lifted off its paper, freed of ruled lines, told apart into lines of connected pieces, and each line is scaled
until its digits are as high as MNIST's. Which digits they are, and where one ends and the next begins, is for the
reader to say. It knows no models.
"""

from io import BytesIO
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.errors import UnusableInput
from service.imaging import components
from service.imaging.components import Cells, Labels, number
from service.imaging.decode import Grey, recognise
from service.imaging.lines import Boxes, Line, find_lines, join_broken
from service.imaging.locate import Levels, grow, span
from service.imaging.marks import sort_small
from service.imaging.normalise import BOX, SOLID, average_rows, centre, crop, fit, whiten, widen
from service.imaging.page import lift_page
from service.imaging.rulings import find_rulings

HEIGHT, WIDTH = 32, 320  # of a strip
MARGIN = 8  # columns without ink on both sides of a strip
FINE = 40  # pixels: strokes are measured at this height of a line, or up to twice as many
LONG = 3  # times as wide as high, at least, is a line that is made level
STEEPEST = 0.3  # rows for each column
NEARLY = 2, 98  # percentiles of the rows of ink: what is above and below sticks out
MOST_RUNS = 30_000  # of ink in all rows; a page of 1.2 megapixels with 20 digits has some 5,000
MOST_WIDTH, MOST_TALL = 32, 40  # all pieces together, in heights of their lines, and how many there are

Box = tuple[int, int, int, int]  # left, top, width and height


class Strip(NamedTuple):
    """A stretch of line `line`: uint8[32, 320]. Its pixels are `scale` pixels of the page, from `left` and `top` on.

    The line has been made level: on the page it falls by `slope` rows for each column. `fine` is the same ink before it
    was scaled down, float32[h, w], without the margins, of which `ratio` pixels are one of the strip's.
    """

    image: Grey
    fine: Levels
    line: int
    left: float
    top: float
    scale: float
    slope: float
    ratio: float


class Part(NamedTuple):
    """One digit of a strip: its box in pixels of the page, and, where it stands alone, its image uint8[28, 28]."""

    box: Box
    image: Grey | None


class Mark(NamedTuple):
    """What may be a decimal point or a minus sign, and where it is in pixels of the page."""

    sign: str
    line: int
    box: Box


class Writing(NamedTuple):
    """What is written in a picture: strips, line by line from left to right, and marks."""

    strips: list[Strip]
    marks: list[Mark]


def reduced_by(data: bytes, grey: Grey) -> tuple[float, float]:
    """How many pixels of a picture that `decode` has read one of its grey levels is, in width and in height."""
    with Image.open(BytesIO(data), formats=[recognise(data)]) as picture:
        sides = picture.size
    height, width = grey.shape
    if (sides[0] > sides[1]) != (width > height):  # a camera held upright
        sides = sides[1], sides[0]
    return sides[0] / width, sides[1] / height


def find_strips(grey: Grey) -> Writing:
    """Everything that is written in a picture: uint8[H, W] -> strips, none where there is no ink.

    Raises UnusableInput for more ink than 20 digits have.
    """
    page = lift_page(grey)
    if page is None:
        return Writing([], [])
    labels, boxes, sizes = find_pieces(page.solid)
    lines = find_lines(boxes)
    refuse_many(lines, boxes)
    strips, marks = [], []
    for row, line in enumerate(lines):
        small = sort_small(line, boxes, sizes)
        marks += [Mark(sign, row, box_of(boxes[piece])) for sign, piece in small.marks]
        strips += cut(page.ink, labels, boxes, line._replace(small=small.strokes), row)
    return Writing(strips, marks)


def find_pieces(solid: Cells) -> tuple[Labels, Boxes, NDArray[np.intp]]:
    """The pieces of ink without ruled lines, their boxes and sizes in pixels; broken characters are one piece.

    Raises UnusableInput for a texture.
    """
    runs = int((solid[:, 1:] > solid[:, :-1]).sum())
    if runs > MOST_RUNS:
        raise UnusableInput(
            f"the picture is covered with texture or text: {runs:,} strokes in its rows, at most {MOST_RUNS:,}"
        )
    pieces = components.find_pieces(solid)
    if len(boxes := pieces.boxes()):
        written = solid & ~find_rulings(solid, number(solid, pieces), boxes)
        if not np.array_equal(written, solid):
            solid, pieces = written, components.find_pieces(written)
    _, owners = np.unique(join_broken(pieces.boxes()), return_inverse=True)
    whole = pieces._replace(numbers=owners[pieces.numbers])
    return number(solid, whole), whole.boxes(), whole.sizes()


def refuse_many(lines: list[Line], boxes: Boxes) -> None:
    """Raises UnusableInput for far more ink than 20 digits have, before any of it is read."""
    wide = sum(float((boxes[line.tall, 3] - boxes[line.tall, 1]).sum()) / line.height for line in lines)
    pieces = sum(len(line.tall) for line in lines)
    if wide > MOST_WIDTH or pieces > MOST_TALL:
        raise UnusableInput(
            f"a picture may have 1 to 20 digits, got {pieces} pieces of ink as wide as about {wide:.0f}"
        )


def box_of(sides: NDArray[np.intp]) -> Box:
    """Top, left, bottom, right -> left, top, width, height."""
    top, left, bottom, right = sides.tolist()
    return left, top, right - left, bottom - top


def cut(ink: Levels, labels: Labels, boxes: Boxes, line: Line, row: int) -> list[Strip]:
    """Takes a line off its page, scales it until its digits are 20 pixels high, and cuts it where a strip ends."""
    pieces = [*line.tall, *line.small]
    (top, left), (bottom, right) = boxes[pieces, :2].min(axis=0), boxes[pieces, 2:].max(axis=0)
    top, left = max(0, top - 1), max(0, left - 1)  # with the faint edge of the strokes
    place = slice(top, bottom + 1), slice(left, right + 1)
    is_mine = np.zeros(int(labels.max()) + 1, bool)
    is_mine[np.array(pieces) + 1] = True
    mine = np.where(grow(is_mine[labels[place]]), ink[place], np.float32(0))
    factor = max(1, int(line.height // FINE))
    fine, slope, raised = level(refine(mine, line.height, factor), line.height / factor)
    scale = line.height / BOX
    ratio = scale / factor  # fine pixels for each of a strip
    ink = shrink(fine, ratio)
    upper = round(middle_of(ink) - HEIGHT / 2)
    return [
        Strip(
            image=lay(ink[:, first:last], -upper),
            fine=fine[:, round(first * ratio) : round(last * ratio)],
            line=row,
            left=left + (first - MARGIN) * scale,
            top=top - raised * factor + (upper + slope * (first - MARGIN)) * scale,
            scale=scale,
            slope=slope,
            ratio=ratio,
        )
        for first, last in stretches(ink)
    ]


def refine(ink: Levels, height: float, factor: int) -> Levels:
    """Ink whose digits are `height` pixels high, with `factor` pixels as one: as white and wide as a single digit's."""
    return widen(whiten(blocks(ink, factor).mean(axis=(1, 3))), height / factor)


def shrink(ink: Levels, ratio: float) -> Levels:
    """Scales ink down, each pixel the mean of the area that it covers: float32[H, W] -> float32[h, w]."""
    rows, columns = (max(1, round(side / ratio)) for side in ink.shape)
    return average_rows(average_rows(ink, rows).T, columns).T


def blocks(cells: NDArray[Any], factor: int) -> NDArray[Any]:
    """Cells [H, W] in squares, zeros beyond the border: [rows, factor, columns, factor]."""
    rows, columns = (-(-side // factor) for side in cells.shape)
    padded = np.pad(cells, ((0, rows * factor - cells.shape[0]), (0, columns * factor - cells.shape[1])))
    return padded.reshape(rows, factor, columns, factor)


def level(ink: Levels, height: float) -> tuple[Levels, float, float]:
    """Moves the columns of a falling or rising line up or down: float32[h, w] -> float32[taller, w].

    Its digits are `height` pixels high; a short line stays as it is. Also says by how many rows the line fell for each
    column, and by how many the first column was moved down.
    """
    rows, columns = np.nonzero(ink >= SOLID)
    width = ink.shape[1]
    if width < LONG * height or not columns.size:
        return ink, 0.0, 0.0
    away = columns - columns.mean()
    slope = float(np.clip(away @ rows / (away @ away), -STEEPEST, STEEPEST))
    falls = np.rint(slope * np.arange(width)).astype(np.intp)
    highest, reach = int(falls.min()), int(np.ptp(falls))
    tall = np.pad(ink, ((reach, reach), (0, 0)))
    rows = np.arange(ink.shape[0] + reach)
    return np.take_along_axis(tall, rows[:, None] + falls - highest, axis=0), slope, float(reach + highest)


def middle_of(ink: Levels) -> float:
    """The row midway between the top and the bottom of nearly all ink."""
    rows, _ = np.nonzero(ink >= SOLID)
    return float(np.percentile(rows, NEARLY).mean()) + 0.5 if rows.size else ink.shape[0] / 2


def stretches(ink: Levels) -> list[tuple[int, int]]:
    """Where a line is cut into strips: in the middle of its widest gaps, or else where there is least ink."""
    columns = ink.max(axis=0)
    written = np.flatnonzero(columns >= SOLID)
    found: list[tuple[int, int]] = []
    most, start, end = WIDTH - 2 * MARGIN, int(written[0]) if written.size else 0, len(columns)
    while end - start > most:
        first = start + most // 2
        gaps = runs_below(columns[first : start + most], SOLID)
        if gaps:
            gap = max(gaps, key=lambda run: run[1] - run[0])
            stop = first + (gap[0] + gap[1]) // 2
        else:
            stop = first + int(ink[:, first : start + most].sum(axis=0).argmin())
        found.append((start, stop))
        later = written[written >= stop]
        if not later.size:
            return found
        start = max(stop, int(later[0]) - 1)
    return [*found, (start, end)]


def runs_below(levels: Levels, limit: float) -> list[tuple[int, int]]:
    """Where levels stay below a limit: first places, and those behind the last."""
    is_low = np.concatenate([[False], levels < limit, [False]])
    edges = np.flatnonzero(is_low[1:] != is_low[:-1]).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))


def lay(ink: Levels, top: int) -> Grey:
    """Ink on an empty strip, so many rows from its top; what is above or below is lost: uint8[32, 320]."""
    strip = np.zeros((HEIGHT, WIDTH), np.uint8)
    first, last = max(0, top), min(HEIGHT, top + ink.shape[0])
    if first < last:
        strip[first:last, MARGIN : MARGIN + ink.shape[1]] = np.rint(ink[first - top : last - top])
    return strip


def part(strip: Strip, middles: list[float]) -> list[Part]:
    """The digits whose middles are at these columns of a strip, parted where there is least ink between two."""
    if not middles:
        return []
    ink = strip.image.sum(axis=0, dtype=np.int64)
    cuts = [least(ink, round(left), round(right)) for left, right in pairwise(middles)]
    is_clear = [True, *((strip.image[:, cut] < SOLID).all() for cut in cuts), True]
    edges = [0, *cuts, WIDTH]
    return [
        Part(bound_part(strip, first, last), frame(strip, first, last) if before and behind else None)
        for (first, last), (before, behind) in zip(pairwise(edges), pairwise(is_clear), strict=True)
    ]


def least(ink: NDArray[np.int64], first: int, last: int) -> int:
    """The place with the least ink, of several the middle one."""
    lowest = np.flatnonzero(ink[first : last + 1] == ink[first : last + 1].min())
    return first + int(lowest[len(lowest) // 2])


def frame(strip: Strip, first: int, last: int) -> Grey | None:
    """What stands between two columns, framed as a single digit is: uint8[28, 28]; None where there is nothing."""
    left, right = (max(0, round((column - MARGIN) * strip.ratio)) for column in (first, last))
    cropped = crop(strip.fine[:, left:right])
    return None if cropped is None else centre(fit(cropped))


def bound_part(strip: Strip, first: int, last: int) -> Box:
    """The box of the ink between two columns of a strip; all between them where there is none."""
    solid = strip.image[:, first:last] >= SOLID
    (top, bottom), (left, right) = (
        span(solid, axis=axis) if solid.any() else (0, solid.shape[axis]) for axis in (0, 1)
    )
    fall = strip.slope * (first + (left + right) / 2)
    corner = strip.left + (first + left) * strip.scale, strip.top + (top + fall) * strip.scale
    return (
        max(0, round(corner[0])),
        max(0, round(corner[1])),
        max(1, round((right - left) * strip.scale)),
        max(1, round((bottom - top) * strip.scale)),
    )
