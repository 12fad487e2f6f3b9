"""Composed numbers are what they are said to be: apart or touching, and the same for the same seed."""

import numpy as np
import pytest

from service.imaging.components import label
from training import numbers, strokes

IMAGES, LABELS = strokes.draw_many(60, seed=4)


def pieces(ink: np.ndarray) -> int:
    """Connected pieces of solid ink that are no specks."""
    sizes = np.bincount(label(ink >= numbers.SOLID).ravel())[1:]
    return int((sizes > 8).sum())


def line_of(gap: int | None, count: int = 5) -> np.ndarray:
    line = np.zeros((32, 2), np.float32)
    for image in IMAGES[:count]:
        line = numbers.append(line, image.astype(np.float32), 2, gap)
    return line


def test_touching_digits_are_one_piece_of_ink() -> None:
    apart = sum(pieces(image) for image in IMAGES[:5])
    assert pieces(line_of(None)) == apart - 4


@pytest.mark.parametrize("gap", [2, 12])
def test_digits_apart_have_the_gap_between_them(gap: int) -> None:
    inked = np.flatnonzero((line_of(gap) > numbers.INK).any(axis=0))
    gaps = np.diff(inked)
    assert gaps[gaps > 1].tolist() == [gap + 1] * 4


def test_the_same_seed_gives_the_same_numbers() -> None:
    first, again, other = (list(numbers.compose_many(IMAGES, LABELS, 5, seed, touching=True)) for seed in (1, 1, 2))
    assert [number.text for number in first] == [number.text for number in again]
    assert all(np.array_equal(one.picture, two.picture) for one, two in zip(first, again, strict=True))
    assert [number.text for number in first] != [number.text for number in other]


def test_numbers_vary_as_they_are_said_to() -> None:
    composed = list(numbers.compose_many(IMAGES, LABELS, 80, 0, touching=False))
    assert {len(number.text) for number in composed} == set(range(3, 9))
    dark = [np.median(number.picture) < 128 for number in composed]
    assert 20 < sum(dark) < 60
    heights = [number.picture.shape[0] for number in composed]
    assert max(heights) > 2 * min(heights)
