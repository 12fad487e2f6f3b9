"""A picture of a number -> the pieces that may be its digits, each as the image that a model reads.

Ink is lifted off its paper, freed of ruled lines, told apart into lines of connected pieces, and these are cut wherever
touching digits might be (over-segmentation: Casey and Lecolinet, 1996). What lies between any two cuts is a candidate;
which of them are the digits, the reader decides. It knows no models: `inference.spelling` chooses.
"""

from io import BytesIO
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.errors import UnusableInput
from service.imaging.components import Cells, Labels, label
from service.imaging.cuts import find_seams
from service.imaging.decode import Grey, recognise
from service.imaging.lines import Boxes, Line, bound, find_lines
from service.imaging.locate import Levels, span
from service.imaging.marks import sort_small
from service.imaging.normalise import SIDE, SOLID, centre, crop, fit, widen
from service.imaging.page import lift_page
from service.imaging.rulings import find_rulings

FINE = 40  # pixels: ink is cut and framed at this height of a line, or up to twice as many
SAME = 0.55  # of the narrower one's width, by which two pieces lie above each other and are one
NARROWEST, WIDEST = 0.06, 1.3  # times the line's height, between two cuts
MOST_GAP = 0.25  # of the line's height, between pieces of one digit
MOST_PIECES = 3  # of one digit
MOST_RUNS = 30_000  # of ink in all rows; a page of 1.2 megapixels with 20 digits has some 5,000
MOST_WIDTH, MOST_TALL = 32, 40  # all pieces together, in heights of their lines, and how many there are


class Candidate(NamedTuple):
    """What lies between two nodes of a line, taken as one digit. A node is a cut, or the gap between two pieces.

    `box` is left, top, width, height in pixels of the page; `width` and `height` are in parts of the line's height, and
    so is the ink that its two cuts cross; `ink` is in parts of that height's square.
    """

    line: int
    start: int
    end: int
    box: tuple[int, int, int, int]
    width: float
    height: float
    ink: float
    crossed: float


class Mark(NamedTuple):
    """What may be a decimal point or a minus sign, and its place as a candidate's."""

    sign: str
    line: int
    box: tuple[int, int, int, int]


class Lattice(NamedTuple):
    """Candidates and their images, uint8[N, 28, 28]; the last node of each line, of which the first is 0; and marks."""

    candidates: list[Candidate]
    images: Grey
    ends: list[int]
    marks: list[Mark]


class Strip(NamedTuple):
    """One line: its ink, and which group of pieces each pixel belongs to, from 1; 0 is none.

    `top`, `left` is its place on the page, of which `factor` pixels are one here; `height` is that of its digits.
    """

    ink: Levels
    groups: Labels
    count: int
    top: int
    left: int
    factor: int
    height: float


class Part(NamedTuple):
    """Ink that may be one digit, from a node of a line to another; `left` is its place on the strip."""

    start: int
    end: int
    ink: Levels
    left: int
    crossed: float


def reduced_by(data: bytes, grey: Grey) -> tuple[float, float]:
    """How many pixels of a picture that `decode` has read one of its grey levels is, in width and in height."""
    with Image.open(BytesIO(data), formats=[recognise(data)]) as picture:
        sides = picture.size
    height, width = grey.shape
    if (sides[0] > sides[1]) != (width > height):  # a camera held upright
        sides = sides[1], sides[0]
    return sides[0] / width, sides[1] / height


def segment(grey: Grey) -> Lattice:
    """Everything in a picture that may be a digit: uint8[H, W] -> a lattice, without candidates where there is no ink.

    Raises UnusableInput for more ink than 20 digits have.
    """
    page = lift_page(grey)
    if page is None:
        return Lattice([], np.empty((0, SIDE, SIDE), np.uint8), [], [])
    labels, boxes, sizes = find_pieces(page.solid)
    candidates: list[Candidate] = []
    images: list[Grey] = []
    ends, marks = [], []
    lines = find_lines(boxes)
    refuse_many(lines, boxes)
    for number, line in enumerate(lines):
        small = sort_small(line, boxes, sizes)
        marks += [Mark(sign, number, box_of(boxes[piece])) for sign, piece in small.marks]
        strip = cut_out(page.ink, labels, boxes, [*line.tall, *small.strokes], line.height)
        parts, end = divide(strip)
        ends.append(end)
        for part in parts:
            if (image := frame(part.ink)) is not None:
                candidates.append(measure(part, strip, number))
                images.append(image)
    return Lattice(candidates, np.array(images, np.uint8).reshape(-1, SIDE, SIDE), ends, marks)


def find_pieces(solid: Cells) -> tuple[Labels, Boxes, NDArray[np.intp]]:
    """The pieces of ink without ruled lines, their boxes and sizes in pixels. Raises UnusableInput for a texture."""
    runs = int((solid[:, 1:] > solid[:, :-1]).sum())
    if runs > MOST_RUNS:
        raise UnusableInput(
            f"the picture is covered with texture or text: {runs:,} strokes in its rows, at most {MOST_RUNS:,}"
        )
    labels = label(solid)
    boxes = bound(labels, int(labels.max()))
    rulings = find_rulings(solid, labels, boxes) if len(boxes) else solid
    if len(boxes) and rulings.any():
        labels = label(solid & ~rulings)
        boxes = bound(labels, int(labels.max()))
    return labels, boxes, np.bincount(labels.ravel())[1:]


def refuse_many(lines: list[Line], boxes: Boxes) -> None:
    """Raises UnusableInput for far more ink than 20 digits have, before any of it is cut and read."""
    wide = sum(float((boxes[line.tall, 3] - boxes[line.tall, 1]).sum()) / line.height for line in lines)
    pieces = sum(len(line.tall) for line in lines)
    if wide > MOST_WIDTH or pieces > MOST_TALL:
        raise UnusableInput(
            f"a picture may have 1 to 20 digits, got {pieces} pieces of ink as wide as about {wide:.0f}"
        )


def box_of(sides: NDArray[np.intp]) -> tuple[int, int, int, int]:
    """Top, left, bottom, right -> left, top, width, height."""
    top, left, bottom, right = sides.tolist()
    return left, top, right - left, bottom - top


def cut_out(ink: Levels, labels: Labels, boxes: Boxes, mine: list[int], usual: float) -> Strip:
    """Takes the pieces of a line off its page, reduced to a height that is fine enough."""
    groups = join(mine, boxes)
    pieces = [piece for group in groups for piece in group]
    (top, left), (bottom, right) = boxes[pieces, :2].min(axis=0), boxes[pieces, 2:].max(axis=0)
    group_of = np.zeros(int(labels.max()) + 1, np.intp)
    for number, group in enumerate(groups, 1):
        group_of[np.array(group) + 1] = number
    factor = max(1, int(usual // FINE))
    place = slice(max(0, top - 1), bottom + 1), slice(max(0, left - 1), right + 1)
    near = halo(group_of[labels[place]])
    return Strip(
        ink=blocks(ink[place], factor).mean(axis=(1, 3)),
        groups=blocks(near, factor).max(axis=(1, 3)),
        count=len(groups),
        top=place[0].start,
        left=place[1].start,
        factor=factor,
        height=usual / factor,
    )


def blocks(cells: NDArray[Any], factor: int) -> NDArray[Any]:
    """Cells [H, W] in squares, zeros beyond the border: [rows, factor, columns, factor]."""
    rows, columns = (-(-side // factor) for side in cells.shape)
    padded = np.pad(cells, ((0, rows * factor - cells.shape[0]), (0, columns * factor - cells.shape[1])))
    return padded.reshape(rows, factor, columns, factor)


def join(pieces: list[int], boxes: Boxes) -> list[list[int]]:
    """Pieces that lie above each other are one: the bar of a five, the two halves of an eight."""
    groups: list[list[int]] = []
    spans: list[list[int]] = []
    for piece in sorted(pieces, key=lambda piece: int(boxes[piece, 1] + boxes[piece, 3])):
        left, right = int(boxes[piece, 1]), int(boxes[piece, 3])
        if groups:
            overlap = min(right, spans[-1][1]) - max(left, spans[-1][0])
            if overlap > SAME * min(right - left, spans[-1][1] - spans[-1][0]):
                groups[-1].append(piece)
                spans[-1] = [min(left, spans[-1][0]), max(right, spans[-1][1])]
                continue
        groups.append([piece])
        spans.append([left, right])
    return groups


def halo(atoms: Labels) -> Labels:
    """Gives the pixels next to an atom to it: the faint edge of its strokes."""
    padded = np.pad(atoms, 1)
    tall = np.maximum(np.maximum(padded[:-2], padded[1:-1]), padded[2:])
    near = np.maximum(np.maximum(tall[:, :-2], tall[:, 1:-1]), tall[:, 2:])
    return np.where(atoms > 0, atoms, near)


def divide(strip: Strip) -> tuple[list[Part], int]:
    """Every part of a line that may be a digit: what lies between two cuts of a group, and whole groups together."""
    parts: list[Part] = []
    firsts, spans = [], []
    node = 0
    for group in range(1, strip.count + 1):
        columns = np.flatnonzero((strip.groups == group).any(axis=0))
        firsts.append(node)
        spans.append((int(columns[0]), int(columns[-1]) + 1))
        inside, node = divide_group(strip, group, *spans[-1], node)
        parts += inside
    for first in range(strip.count):
        for last in range(first + 1, min(strip.count, first + MOST_PIECES)):
            (left, so_far), (start, right) = spans[last - 1], spans[last]
            if start - so_far > MOST_GAP * strip.height or right - spans[first][0] > WIDEST * strip.height:
                break
            left = spans[first][0]
            mine = (strip.groups > first) & (strip.groups <= last + 1)
            end = firsts[last + 1] if last + 1 < strip.count else node
            parts.append(Part(firsts[first], end, np.where(mine, strip.ink, 0)[:, left:right], left, 0.0))
    return parts, node


def divide_group(strip: Strip, group: int, left: int, right: int, node: int) -> tuple[list[Part], int]:
    """The parts of one group between its cuts, and the node behind it."""
    ink = np.where(strip.groups == group, strip.ink, np.float32(0))[:, left:right]
    seams = find_seams(ink, strip.height)
    sides = np.full((1, len(ink)), ink.shape[1])
    columns = np.concatenate([0 * sides, seams.columns, sides])
    crossed = np.concatenate([[0], seams.crossed, [0]])
    places = np.arange(ink.shape[1])
    parts = []
    for first, last in combinations(range(len(columns)), 2):
        whole = last - first == len(columns) - 1
        width = columns[last] - columns[first]
        if not whole and not (width.min() >= 0 and NARROWEST <= width.mean() / strip.height <= WIDEST):
            continue
        inside = (places >= columns[first][:, None]) & (places < columns[last][:, None])
        start, end = int(columns[first].min()), int(columns[last].max())
        mine = (ink * inside)[:, start:end]
        parts.append(Part(node + first, node + last, mine, left + start, float(crossed[first] + crossed[last])))
    return parts, node + len(columns) - 1


def measure(part: Part, strip: Strip, line: int) -> Candidate:
    """The box of a part that has solid ink, and its sizes for the line's height."""
    solid = part.ink >= SOLID
    (top, bottom), (left, right) = span(solid, axis=0), span(solid, axis=1)
    factor, height = strip.factor, strip.height
    return Candidate(
        line=line,
        start=part.start,
        end=part.end,
        box=(
            int(strip.left) + (part.left + left) * factor,
            int(strip.top) + top * factor,
            (right - left) * factor,
            (bottom - top) * factor,
        ),
        width=(right - left) / height,
        height=(bottom - top) / height,
        ink=float(part.ink.sum()) / 255 / height**2,
        crossed=part.crossed,
    )


def frame(ink: Levels) -> Grey | None:
    """Frames ink as `normalise` frames a single digit, from the crop on; None where none is solid."""
    cropped = crop(ink)
    return None if cropped is None else centre(fit(widen(cropped)))
