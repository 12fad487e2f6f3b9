import numpy as np
import pytest

from models.manifest import Manifest, Rejection
from service.inference.engine import Logits, Rows
from service.inference.predictions import DigitReader, GateReader, describe, energy, sigmoid, softmax
from tests import bundles

INK = np.full((1, 28, 28), 255, np.uint8)
BLANK = np.zeros((1, 28, 28), np.uint8)


def logits(**of: float) -> np.ndarray:
    row = np.zeros((1, 10), np.float32)
    for name, value in of.items():
        row[0, int(name[1:])] = value
    return row


class Fixed:
    """Answers any rows with the logits it was given."""

    platform = "fake"
    any_thread = True

    def __init__(self, logits: Logits) -> None:
        self._logits = logits

    def predict(self, rows: Rows) -> Logits:
        return self._logits


def read(images: Rows, row: Logits, manifest: Manifest, top_k: int) -> list[dict[str, object]]:
    return describe(DigitReader(Fixed(row), manifest).predict(images), top_k)


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
    [prediction] = read(INK, logits(d3=5, d8=4, d0=3), bundles.manifest(), top_k=2)
    assert [candidate["digit"] for candidate in prediction["top"]] == [3, 8]
    assert prediction["digit"] == 3
    assert prediction["confidence"] == prediction["top"][0]["probability"]
    assert prediction["accepted"] is True
    assert prediction["reason"] is None


def test_without_ink_there_is_no_digit() -> None:
    [prediction] = read(BLANK, logits(d3=5), bundles.manifest(), top_k=3)
    assert prediction == {"digit": None, "confidence": 0.0, "top": [], "accepted": False, "reason": "blank"}


@pytest.mark.parametrize(
    ("row", "reason"),
    [(logits(d3=9), None), (logits(d3=9, d8=9), "ambiguous"), (logits(d3=1), "not_a_digit")],
)
def test_a_refused_image_still_has_the_best_guess(row: np.ndarray, reason: str | None) -> None:
    manifest = bundles.manifest(rejection=Rejection(min_confidence=0.6, min_energy=4.0))
    [prediction] = read(INK, row, manifest, top_k=3)
    assert prediction["digit"] == 3
    assert prediction["reason"] == reason
    assert prediction["accepted"] is (reason is None)


def test_each_row_of_a_batch_is_read_by_itself() -> None:
    manifest = bundles.manifest(rejection=Rejection(min_confidence=0.6, min_energy=4.0))
    images = np.concatenate([INK, BLANK, INK, INK])
    rows = np.concatenate([logits(d3=9), logits(d3=9), logits(d3=9, d8=9), logits(d3=1)])
    reasons = [prediction["reason"] for prediction in read(images, rows, manifest, top_k=1)]
    assert reasons == [None, "blank", "ambiguous", "not_a_digit"]


def test_a_gate_gives_one_probability_for_a_row() -> None:
    fired = GateReader(Fixed(np.array([[-100.0], [0.0], [100.0]], np.float32))).predict(np.zeros((3, 2), np.float32))
    assert fired.tolist() == pytest.approx([0, 0.5, 1])
