"""Post: logits -> what is read from them, for a whole batch at once; then one prediction per image, as it goes out.

A digit reader calibrates probabilities, and says whether they should be believed; a gate fires or does not.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.manifest import Manifest
from service.inference.engine import Engine, Logits, Outputs, Rows

DIGITS = 10
INK = 32  # of 255; an image without a brighter pixel has nothing to read

BLANK, AMBIGUOUS, NOT_A_DIGIT, SEVERAL_DIGITS = REASONS = ("blank", "ambiguous", "not_a_digit", "several_digits")
VERDICTS = (None, *REASONS)  # by the number that a reading holds; 0 is accepted
READING = np.dtype([("probabilities", np.float64, DIGITS), ("verdict", np.int8)])


def softmax(logits: Logits, temperature: float) -> NDArray[np.float64]:
    """Calibrated probabilities, float64[..., classes] (Guo et al., arXiv:1706.04599)."""
    weights = np.exp((logits - logits.max(axis=-1, keepdims=True)) / np.float64(temperature))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def sigmoid(logits: Logits) -> NDArray[np.float64]:
    """Firing probabilities of a gate, float64 of the same shape."""
    return np.asarray(1 / (1 + np.exp(-logits.astype(np.float64))))


def energy(logits: Logits) -> NDArray[np.float64]:
    """Log-sum-exp of each row, float64[N]: high for what looks like training data (Liu et al., arXiv:2010.03759)."""
    peak = logits.max(axis=1).astype(np.float64)
    return np.asarray(peak + np.log(np.exp(logits - peak[:, None]).sum(axis=1)))


class DigitReader:
    """Reads images: an engine, and what its model's manifest says of calibration and rejection."""

    def __init__(self, engine: Engine, manifest: Manifest) -> None:
        self._engine = engine
        self._temperature = manifest.temperature
        self._rejection = manifest.rejection
        self.any_thread = engine.any_thread

    def predict(self, rows: Rows) -> Outputs:
        """Readings (dtype READING) of uint8[N, 28, 28]."""
        logits = self._engine.predict(rows)
        readings = np.zeros(len(logits), READING)
        readings["probabilities"] = probabilities = softmax(logits, self._temperature)
        verdict = readings["verdict"]  # the plainest reason is written last
        if self._rejection:
            verdict[probabilities.max(axis=1) < self._rejection.min_confidence] = VERDICTS.index(AMBIGUOUS)
            if (least := self._rejection.min_energy) is not None:
                verdict[energy(logits) < least] = VERDICTS.index(NOT_A_DIGIT)
        verdict[rows.reshape(len(rows), -1).max(axis=1) < INK] = VERDICTS.index(BLANK)
        return readings


class LineReader:
    """Reads lines: an engine, and what its model's manifest says of calibration."""

    def __init__(self, engine: Engine, manifest: Manifest) -> None:
        self._engine = engine
        self._temperature = manifest.temperature
        self.any_thread = engine.any_thread

    def predict(self, rows: Rows) -> Outputs:
        """Calibrated probabilities of each class, from left to right: uint8[N, 32, W] -> float64[N, W // 2, 12]."""
        return softmax(self._engine.predict(rows), self._temperature)


class GateReader:
    """Fires or does not: an engine with one logit."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.any_thread = engine.any_thread

    def predict(self, rows: Rows) -> Outputs:
        """Firing probabilities float64[N] of float32[N, 2]."""
        return sigmoid(self._engine.predict(rows)[:, 0])


def refuse_several(readings: Outputs, are_several: NDArray[np.bool_]) -> None:
    """Refuses the readings of images that imaging saw several digits in, bool[N]. The readings are changed."""
    readings["verdict"][are_several] = VERDICTS.index(SEVERAL_DIGITS)


def verdict_of(reading: Outputs) -> str | None:
    """Why one reading is refused; None where it is accepted."""
    return VERDICTS[int(reading["verdict"])]


def describe(readings: Outputs, top_k: int) -> list[dict[str, Any]]:
    """One prediction for each reading, as it goes out: digit, confidence, top, accepted, reason."""
    rows = zip(readings["probabilities"].tolist(), readings["verdict"].tolist(), strict=True)
    return [_prediction(probabilities, VERDICTS[verdict], top_k) for probabilities, verdict in rows]


def _prediction(probabilities: list[float], reason: str | None, top_k: int) -> dict[str, Any]:
    if reason == BLANK:
        return {"digit": None, "confidence": 0.0, "top": [], "accepted": False, "reason": BLANK}
    order = sorted(range(DIGITS), key=probabilities.__getitem__, reverse=True)
    return {
        "digit": order[0],
        "confidence": probabilities[order[0]],
        "top": [{"digit": digit, "probability": probabilities[digit]} for digit in order[:top_k]],
        "accepted": reason is None,
        "reason": reason,
    }
