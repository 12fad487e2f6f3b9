import pytest
import torch

from training import data, outliers


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def digits() -> torch.Tensor:
    return data.small_digits().images[:100].float() / 255


def test_there_is_one_outlier_for_each_digit(digits: torch.Tensor) -> None:
    drawn = outliers.draw(digits, seeded(0))
    assert drawn.shape == digits.shape
    assert drawn.dtype == torch.float32
    assert 0 <= drawn.min() <= drawn.max() <= 1


def test_the_same_seed_draws_the_same_and_another_differently(digits: torch.Tensor) -> None:
    first, again, other = (outliers.draw(digits, seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other, atol=0.1)


def test_few_digits_make_few_outliers(digits: torch.Tensor) -> None:
    assert len(outliers.draw(digits[:3], seeded(0))) == 3


def test_no_outlier_is_a_digit_that_was_given(digits: torch.Tensor) -> None:
    distances = torch.cdist(outliers.draw(digits, seeded(0)).flatten(1), digits.flatten(1))
    assert distances.min() > 2  # neighbours of one class are 4 to 9 apart
