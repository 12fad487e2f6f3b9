"""How far a reader's confidence can be trusted: scores, temperature, thresholds, and what refusing gains.

Knows logits and labels. Which split they come from is `training.evaluate`'s business.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, softmax
from torchmetrics.functional.classification import multiclass_calibration_error, multiclass_confusion_matrix

from models.manifest import Evaluation, Rejection

BINS = 15
REFUSED_BY_EACH = 0.005  # share of the validation images under each threshold: together about 1 %


class Reliability(NamedTuple):
    """For each bin of confidence that has images: their number, mean confidence and accuracy."""

    counts: list[int]
    confidences: list[float]
    accuracies: list[float]


def score(logits: Tensor, labels: Tensor, temperature: float) -> Evaluation:
    """Accuracy, negative log-likelihood, calibration error (15 bins, Guo et al., arXiv:1706.04599) and confusion."""
    scaled, classes = logits / temperature, logits.shape[1]
    confusion = multiclass_confusion_matrix(logits, labels, classes)
    return Evaluation(
        n=len(labels),
        accuracy=int(confusion.trace()) / len(labels),  # of whole numbers, so that 9,964 of 10,000 is 0.9964
        nll=float(cross_entropy(scaled, labels)),
        ece=float(multiclass_calibration_error(softmax(scaled, dim=1), labels, classes, n_bins=BINS)),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
    )


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The one number that logits are divided by for the least negative log-likelihood."""
    candidates = torch.logspace(-0.6, 0.6, 301, dtype=torch.float64)  # 0.25 to 4, in steps of 0.9 %
    losses = torch.stack([cross_entropy(logits.double() / candidate, labels) for candidate in candidates])
    return round(float(candidates[losses.argmin()]), 4)


def confidence(logits: Tensor, temperature: float) -> Tensor:
    """The calibrated probability of the best digit: float[N]."""
    return softmax(logits / temperature, dim=1).amax(dim=1)


def energy(logits: Tensor) -> Tensor:
    """High for what looks like training data (Liu et al., arXiv:2010.03759): float[N]."""
    return logits.logsumexp(dim=1)


def choose_rejection(logits: Tensor, temperature: float) -> Rejection:
    """Thresholds that refuse half a percent of the validation images each."""
    return Rejection(
        min_confidence=round(float(confidence(logits, temperature).quantile(REFUSED_BY_EACH)), 4),
        min_energy=round(float(energy(logits).quantile(REFUSED_BY_EACH)), 4),
    )


def is_accepted(logits: Tensor, rejection: Rejection, temperature: float) -> Tensor:
    """Which of logits float32[N, 10] pass both thresholds: bool[N]."""
    is_sure = confidence(logits, temperature) >= rejection.min_confidence
    return is_sure if rejection.min_energy is None else is_sure & (energy(logits) >= rejection.min_energy)


def error_at(refused: float, logits: Tensor, labels: Tensor, temperature: float) -> float:
    """Share of errors among the accepted, where this share of the images, the least sure, is refused."""
    accepted = confidence(logits, temperature).argsort(descending=True)[: round(len(labels) * (1 - refused))]
    return float((logits.argmax(dim=1) != labels)[accepted].double().mean())


def reliability(logits: Tensor, labels: Tensor, temperature: float) -> Reliability:
    """What confidence promises and accuracy keeps, by bins of equal width."""
    sure = confidence(logits, temperature)
    right = logits.argmax(dim=1) == labels
    places = (sure * BINS).long().clamp(max=BINS - 1)
    bins = [places == place for place in range(BINS) if (places == place).any()]
    return Reliability(
        counts=[int(inside.sum()) for inside in bins],
        confidences=[float(sure[inside].mean()) for inside in bins],
        accuracies=[float(right[inside].float().mean()) for inside in bins],
    )
