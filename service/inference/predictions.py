"""Post: logits -> predictions. Calibrated probabilities, the best guess, and whether the model should be believed."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.manifest import Manifest
from service.inference.engine import Logits

INK = 32  # of 255; an image without a brighter pixel has nothing to read

BLANK, AMBIGUOUS, NOT_A_DIGIT = REASONS = ("blank", "ambiguous", "not_a_digit")


def softmax(logits: Logits, temperature: float) -> NDArray[np.float64]:
    """Calibrated probabilities, float64[N, classes] (Guo et al., arXiv:1706.04599)."""
    scaled = logits.astype(np.float64) / temperature
    weights = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def sigmoid(logits: Logits) -> NDArray[np.float64]:
    """Firing probabilities of a gate, float64 of the same shape."""
    return np.asarray(1 / (1 + np.exp(-logits.astype(np.float64))))


def energy(logits: Logits) -> NDArray[np.float64]:
    """Log-sum-exp of each row, float64[N]: high for what looks like training data (Liu et al., arXiv:2010.03759)."""
    peak = logits.max(axis=1).astype(np.float64)
    return np.asarray(peak + np.log(np.exp(logits - peak[:, None]).sum(axis=1)))


def read_digits(images: NDArray[np.uint8], logits: Logits, manifest: Manifest, top_k: int) -> list[dict[str, Any]]:
    """One prediction per image of uint8[N, 28, 28], as it goes out: digit, confidence, top, accepted, reason."""
    probabilities = softmax(logits, manifest.temperature)
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :top_k]
    reasons = _reasons(images, logits, probabilities, manifest)
    top = np.take_along_axis(probabilities, order, axis=1).tolist()
    return [_prediction(*row) for row in zip(order.tolist(), top, reasons, strict=True)]


def _prediction(digits: list[int], probabilities: list[float], reason: str | None) -> dict[str, Any]:
    if reason == BLANK:
        return {"digit": None, "confidence": 0.0, "top": [], "accepted": False, "reason": BLANK}
    top = [{"digit": digit, "probability": share} for digit, share in zip(digits, probabilities, strict=True)]
    return {
        "digit": digits[0],
        "confidence": probabilities[0],
        "top": top,
        "accepted": reason is None,
        "reason": reason,
    }


def _reasons(
    images: NDArray[np.uint8], logits: Logits, probabilities: NDArray[np.float64], manifest: Manifest
) -> list[str | None]:
    """Why each row is refused, the plainest reason first; None where it is accepted."""
    blank = images.max(axis=(1, 2)) < INK
    if manifest.rejection is None:
        return [BLANK if row else None for row in blank.tolist()]
    strange = energy(logits) < manifest.rejection.min_energy
    unsure = probabilities.max(axis=1) < manifest.rejection.min_confidence
    flags = zip(blank.tolist(), strange.tolist(), unsure.tolist(), strict=True)
    names = (BLANK, NOT_A_DIGIT, AMBIGUOUS)
    return [next((name for name, flag in zip(names, row, strict=True) if flag), None) for row in flags]
