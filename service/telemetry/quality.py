"""Signals of model quality: what is predicted, how surely, what is refused, and whether inputs drift from training."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models import features
from service.inference.predictions import REASONS
from service.telemetry import metrics

_FLUSH_ROWS = 64  # features of 64 images at once cost 4 us each; of one image alone, 110 us


class Quality:
    """Counts the readings of one model version."""

    def __init__(self, model: str, version: int) -> None:
        labels = (model, str(version))
        self._digits = {digit: metrics.PREDICTIONS.labels(*labels, str(digit)) for digit in range(10)}
        self._no_ink = metrics.PREDICTIONS.labels(*labels, "-")
        self._confidence = metrics.CONFIDENCE.labels(*labels)
        self._abstentions = {reason: metrics.ABSTENTIONS.labels(*labels, reason) for reason in REASONS}
        self._bins = {
            name: [metrics.FEATURE_BINS.labels(model, name, str(index)) for index in range(len(edges) - 1)]
            for name, edges in features.EDGES.items()
        }
        self._images: list[NDArray[np.uint8]] = []
        self._rows = 0

    def record(self, images: NDArray[np.uint8], predictions: list[dict[str, Any]]) -> None:
        """Counts the predictions now; the features of uint8[N, 28, 28] when enough images have gathered."""
        self.count(predictions)
        self._images.append(images)
        self._rows += len(images)
        if self._rows >= _FLUSH_ROWS:
            self.flush()

    def count(self, predictions: list[dict[str, Any]]) -> None:
        """Counts predictions of digits that have no images of their own."""
        tally = metrics.TALLY
        for prediction in predictions:
            tally.count(self._digits.get(prediction["digit"], self._no_ink))
            if prediction["digit"] is not None:
                tally.observe(self._confidence, prediction["confidence"])
            if prediction["reason"]:
                tally.count(self._abstentions[prediction["reason"]])

    def flush(self) -> None:
        """Counts the features of the images that have gathered."""
        if not self._images:
            return
        images, self._images, self._rows = np.concatenate(self._images), [], 0
        for name, values in features.measure(images).items():
            counts = np.bincount(features.bins(values, features.EDGES[name]), minlength=len(self._bins[name]))
            for series, count in zip(self._bins[name], counts.tolist(), strict=True):
                if count:
                    series.inc(count)
