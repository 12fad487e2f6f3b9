import pytest
import torch

from training.comparison import mcnemar, over_seeds


def right(*spans: tuple[int, bool]) -> torch.Tensor:
    return torch.cat([torch.full((count,), value) for count, value in spans])


def test_seeds_are_told_by_mean_spread_and_extremes() -> None:
    told = over_seeds("test accuracy", [0.996, 0.997, 0.998])
    assert (told.n, told.min, told.max) == (3, 0.996, 0.998)
    assert told.mean == pytest.approx(0.997)
    assert told.std == pytest.approx(0.001)


def test_one_seed_has_no_spread() -> None:
    assert over_seeds("test accuracy", [0.996]).std == 0


def test_readers_that_agree_do_not_differ() -> None:
    both = right((90, True), (10, False))
    assert mcnemar(both, both) == 1.0


def test_ten_of_ten_tosses_are_hardly_chance() -> None:
    before, after = right((90, True), (10, False)), right((100, True))
    assert mcnemar(before, after) == pytest.approx(2 / 2**10)
    assert mcnemar(after, before) == mcnemar(before, after)


def test_what_both_miss_tells_nothing() -> None:
    before = right((3, False), (1, True), (500, False))
    after = right((3, True), (1, False), (500, False))
    assert mcnemar(before, after) == pytest.approx(2 * (1 + 4) / 2**4)


def test_even_differences_are_chance() -> None:
    assert mcnemar(right((5, True), (5, False)), right((5, False), (5, True))) == 1.0
