"""Signals of model quality: what is predicted, how surely, what is refused, and whether inputs drift from training."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models import features
from service.inference.engine import Outputs
from service.inference.predictions import BLANK, REASONS, VERDICTS
from service.telemetry import metrics

_FLUSH_ROWS = 64  # features of an image cost forty times as much where it is measured alone
_SAMPLE = 16  # images of one request that are measured; 64 cost a tenth of what it costs to read them


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
        self._weights: list[tuple[float, int]] = []  # for how many each of so many images counts
        self._rows = 0
        self._turn = 0

    def record_readings(self, images: NDArray[np.uint8], readings: Outputs) -> None:
        """As `record`, for readings (dtype READING) that nobody describes: all of them at once."""
        tally, probabilities, verdicts = metrics.TALLY, readings["probabilities"], readings["verdict"]
        inked = verdicts != VERDICTS.index(BLANK)
        for digit, count in enumerate(np.bincount(probabilities.argmax(axis=1)[inked], minlength=10).tolist()):
            if count:
                tally.count(self._digits[digit], count)
        tally.observe_many(self._confidence, probabilities.max(axis=1)[inked].tolist())
        for verdict, count in enumerate(np.bincount(verdicts, minlength=len(VERDICTS)).tolist()):
            if count and (reason := VERDICTS[verdict]):
                tally.count(self._abstentions[reason], count)
        if blank := len(readings) - int(inked.sum()):
            tally.count(self._no_ink, blank)
        self._gather(images)

    def record(self, images: NDArray[np.uint8], predictions: list[dict[str, Any]]) -> None:
        """Counts the predictions now; the features of uint8[N, 28, 28] when enough images have gathered."""
        self.count(predictions)
        self._gather(images)

    def _gather(self, images: NDArray[np.uint8]) -> None:
        """Keeps images whose features are to be measured: of many in one request a few, which count for the others."""
        step = -(-len(images) // _SAMPLE)
        picked = images[self._turn % step :: step]
        self._turn += 1
        self._images.append(picked)
        self._weights.append((len(images) / len(picked), len(picked)))
        self._rows += len(picked)
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
        images = np.concatenate(self._images)
        weights = np.repeat([weight for weight, _ in self._weights], [count for _, count in self._weights])
        self._images, self._weights, self._rows = [], [], 0
        for name, values in features.measure(images).items():
            bins = features.bins(values, features.EDGES[name])
            counts = np.bincount(bins, weights, minlength=len(self._bins[name]))
            for series, count in zip(self._bins[name], counts.tolist(), strict=True):
                if count:
                    series.inc(count)
