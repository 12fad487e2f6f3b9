import numpy as np
import pytest

from training import strokes
from training.corruptions import FAMILIES, corrupt

DIGITS, _ = strokes.draw_many(40, seed=5)
EACH = pytest.mark.parametrize("family", FAMILIES)


def damage(family: str, level: int) -> float:
    """The mean change of a pixel, in grey levels."""
    return float(np.abs(corrupt(DIGITS, family, level).astype(int) - DIGITS).mean())


def test_there_are_fifteen_families_and_more_of_three_strengths() -> None:
    assert len(FAMILIES) >= 15
    assert all(len(family.strengths) == 3 for family in FAMILIES.values())


@EACH
def test_images_stay_images(family: str) -> None:
    before = DIGITS.copy()
    spoilt = corrupt(DIGITS, family, 2)
    assert spoilt.shape == DIGITS.shape
    assert spoilt.dtype == np.uint8
    assert np.array_equal(DIGITS, before), "the caller's images are left alone"


@EACH
def test_each_strength_does_more_damage_than_the_one_before(family: str) -> None:
    mild, middling, strong = (damage(family, level) for level in range(3))
    assert 0.3 < mild < middling < strong


@EACH
def test_the_same_seed_spoils_the_same(family: str) -> None:
    assert np.array_equal(corrupt(DIGITS, family, 1, seed=3), corrupt(DIGITS, family, 1, seed=3))


@pytest.mark.parametrize("family", ["impulse", "fog", "stripe", "motion"])
def test_each_image_is_spoilt_in_its_own_way(family: str) -> None:
    same = np.repeat(DIGITS[:1], 2, axis=0)
    first, second = corrupt(same, family, 2)
    assert not np.array_equal(first, second)


def test_more_images_than_one_chunk_are_all_spoilt() -> None:
    spoilt = corrupt(np.zeros((1001, 28, 28), np.uint8), "impulse", 2)
    assert len(spoilt) == 1001
    assert (spoilt > 0).any(axis=(1, 2)).all()
