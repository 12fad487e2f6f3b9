import pytest
import torch

from models.manifest import Rejection
from training import calibration


def logits_for(digits: list[int], height: float) -> torch.Tensor:
    return torch.nn.functional.one_hot(torch.tensor(digits), 10) * height


def test_scores_can_be_computed_by_eye() -> None:
    score = calibration.score(logits_for([0, 1, 2, 2], 100.0), torch.tensor([0, 1, 2, 3]), temperature=100.0)
    right = 2.718281828 / (2.718281828 + 9)
    assert score.accuracy == 0.75
    assert score.ece == pytest.approx(0.75 - right, abs=1e-6)
    assert score.confusion[3][2] == 1
    assert sum(sum(row) for row in score.confusion) == score.n == 4


def test_the_temperature_undoes_overconfidence() -> None:
    generator = torch.Generator().manual_seed(0)
    honest = torch.randn(5000, 10, generator=generator) * 2
    labels = torch.multinomial(honest.softmax(dim=1), 1, generator=generator).squeeze(1)
    assert calibration.fit_temperature(honest * 3, labels) == pytest.approx(3, rel=0.06)


def test_about_one_percent_is_refused() -> None:
    logits = torch.randn(10_000, 10, generator=torch.Generator().manual_seed(0)) * 5
    rejection = calibration.choose_rejection(logits, 1.0)
    refused = float((~calibration.is_accepted(logits, rejection, 1.0)).float().mean())
    assert 0.005 <= refused <= 0.0101


def test_what_is_strange_or_unsure_is_refused() -> None:
    rejection = Rejection(min_confidence=0.9, min_energy=5.0)
    sure, strange = logits_for([3], 20.0), logits_for([3], 20.0) - 20
    unsure = sure + logits_for([4], 20.0)
    accepted = calibration.is_accepted(torch.cat([sure, strange, unsure]), rejection, 1.0)
    assert accepted.tolist() == [True, False, False]


def test_refusing_the_least_sure_first_leaves_fewer_errors() -> None:
    logits = torch.cat([logits_for([1] * 9, 9.0), logits_for([2], 1.0)])
    labels = torch.tensor([1] * 9 + [3])
    assert calibration.error_at(0.0, logits, labels, 1.0) == pytest.approx(0.1)
    assert calibration.error_at(0.1, logits, labels, 1.0) == 0


def test_bins_tell_what_confidence_promised_and_accuracy_kept() -> None:
    logits = torch.cat([logits_for([1] * 4, 100.0), logits_for([2] * 2, 1.0)])
    bins = calibration.reliability(logits, torch.tensor([1, 1, 1, 4, 2, 5]), 1.0)
    low = 2.718281828 / (2.718281828 + 9)
    assert bins.counts == [2, 4]
    assert bins.confidences == pytest.approx([low, 1.0])
    assert bins.accuracies == pytest.approx([0.5, 0.75])
