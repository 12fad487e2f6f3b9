import numpy as np
import pytest

from training import strangers, strokes
from training.strangers import KINDS, draw

DIGITS, LABELS = strokes.draw_many(60, seed=6)
EACH = pytest.mark.parametrize("kind", KINDS)


@EACH
def test_strangers_are_images_as_many_as_asked(kind: str) -> None:
    images = draw(kind, 50, DIGITS, LABELS)
    assert images.shape == (50, 28, 28)
    assert images.dtype == np.uint8


@EACH
def test_the_same_seed_draws_the_same_and_another_differently(kind: str) -> None:
    first, again, other = (draw(kind, 50, DIGITS, LABELS, seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_halves_are_of_two_digits_that_differ() -> None:
    first, second = strangers._two(200, LABELS, np.random.default_rng(0))
    assert (LABELS[first] != LABELS[second]).all()
    assert len(first) == 200


def test_blank_has_no_ink_whatever_its_grey() -> None:
    images = draw("blank", 200, DIGITS, LABELS)
    assert (images.min(axis=(1, 2)) == images.max(axis=(1, 2))).all()
    assert len(np.unique(images)) > 50


def test_letters_that_could_be_digits_are_left_out() -> None:
    assert not set(strangers.LETTERS) & set("OoIlSsZzBQqgbDG")


def test_letters_fill_the_box_of_a_digit() -> None:
    images = draw("letters", 100, DIGITS, LABELS) > 0
    tall, wide = (images.any(axis=axis).sum(axis=1) for axis in (2, 1))
    assert np.maximum(tall, wide).min() >= strangers.BOX - 1
    assert np.maximum(tall, wide).max() <= strangers.BOX + 1
