import pytest
import torch

from training import data, outliers, run
from training.cnn import RECIPE
from training.loop import train
from training.options import Options
from training.outliers import Outliers, disbelief
from training.recipe import Recipe

TINY: Recipe = RECIPE.model_copy(
    update={"name": "tiny", "config": {"stem": 8, "width": 16}, "epochs": 12, "batch_size": 32, "averaging": 0.9}
)


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


def test_disbelief_is_least_where_all_digits_are_as_likely() -> None:
    even, sure = torch.zeros(2, 10), 8.0 * torch.eye(10)[:2]
    assert float(disbelief(even)) == pytest.approx(2.302585)
    assert float(disbelief(sure)) > float(disbelief(sure / 2)) > float(disbelief(even))


def test_a_reader_that_saw_outliers_believes_less_in_others(
    digits: torch.Tensor, tmp_path_factory: pytest.TempPathFactory
) -> None:
    strange = outliers.draw(digits, seeded(9))

    def believed(shown: Outliers | None) -> float:
        """Share of outliers that have more energy than a quarter of the digits."""
        options = Options(dataset="sklearn", runs=tmp_path_factory.mktemp("runs"), device="cpu")
        network = run.find(train(TINY.model_copy(update={"outliers": shown}), options).folder).load_network()
        with torch.inference_mode():
            known, others = (network((seen - data.MEAN) / data.STD).logsumexp(dim=1) for seen in (digits, strange))
        return float((others > known.quantile(0.25)).float().mean())

    assert believed(Outliers(share=0.5)) < believed(None) / 2
