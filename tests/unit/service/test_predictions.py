import numpy as np
import pytest

from models.manifest import Rejection
from service.inference.predictions import energy, read_digits, sigmoid, softmax
from tests import bundles

INK = np.full((1, 28, 28), 255, np.uint8)
BLANK = np.zeros((1, 28, 28), np.uint8)


def logits(**of: float) -> np.ndarray:
    row = np.zeros((1, 10), np.float32)
    for name, value in of.items():
        row[0, int(name[1:])] = value
    return row


def test_probabilities_add_up_and_the_temperature_softens_them() -> None:
    hot, cold = softmax(logits(d3=5), 2.0), softmax(logits(d3=5), 1.0)
    assert hot.sum() == pytest.approx(1)
    assert cold[0, 3] == pytest.approx(np.exp(5) / (np.exp(5) + 9))
    assert hot[0, 3] < cold[0, 3]


def test_large_logits_do_not_overflow() -> None:
    assert softmax(logits(d3=1e4), 1.0)[0, 3] == 1
    assert energy(logits(d3=1e4))[0] == pytest.approx(1e4)
    assert sigmoid(np.array([[0.0]], np.float32))[0, 0] == 0.5


def test_candidates_come_best_first_and_only_as_many_as_asked() -> None:
    [prediction] = read_digits(INK, logits(d3=5, d8=4, d0=3), bundles.manifest(), top_k=2)
    assert [candidate["digit"] for candidate in prediction["top"]] == [3, 8]
    assert prediction["digit"] == 3
    assert prediction["confidence"] == prediction["top"][0]["probability"]
    assert prediction["accepted"] is True
    assert prediction["reason"] is None


def test_without_ink_there_is_no_digit() -> None:
    [prediction] = read_digits(BLANK, logits(d3=5), bundles.manifest(), top_k=3)
    assert prediction == {"digit": None, "confidence": 0.0, "top": [], "accepted": False, "reason": "blank"}


@pytest.mark.parametrize(
    ("row", "reason"),
    [(logits(d3=9), None), (logits(d3=9, d8=9), "ambiguous"), (logits(d3=1), "not_a_digit")],
)
def test_a_refused_image_still_has_the_best_guess(row: np.ndarray, reason: str | None) -> None:
    manifest = bundles.manifest(rejection=Rejection(min_confidence=0.6, min_energy=4.0))
    [prediction] = read_digits(INK, row, manifest, top_k=3)
    assert prediction["digit"] == 3
    assert prediction["reason"] == reason
    assert prediction["accepted"] is (reason is None)
