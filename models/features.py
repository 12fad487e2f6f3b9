"""Simple quantities of an image and of a reading, whose drift from training says that the world has changed.

`training` stores how they were distributed on the validation split; `service` counts the same bins as traffic passes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.manifest import ReferenceDistribution

EDGES: Mapping[str, tuple[float, ...]] = {
    "ink": (0.0, 0.02, 0.04, 0.06, 0.08, 0.10, 0.12, 0.14, 0.16, 0.20, 0.25, 1.0),
    "width": (0.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0, 16.0, 18.0, 20.0, 28.0),
    "height": (0.0, 12.0, 16.0, 18.0, 19.0, 20.0, 21.0, 28.0),
    "grey": (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0),
}
CONFIDENCE_EDGES = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1.0)
DIGIT_EDGES = tuple(float(edge) for edge in range(11))


def measure(images: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
    """Features of uint8[N, 28, 28], each float64[N].

    `ink`: mean intensity, 0..1. `width`, `height`: pixels from the first to the last inked column and row.
    `grey`: share of the inked pixels that are neither dark nor bright, which blur raises and thresholding removes.
    """
    inked = images > 32
    in_rows = _sums(inked)
    greys = _sums(inked & (images < 224)).sum(axis=1)
    return {
        "ink": _sums(images).sum(axis=1) / images[0].size / 255,
        "width": _extent(np.bitwise_or.reduce(inked, axis=1)),
        "height": _extent(in_rows > 0),
        "grey": greys / np.maximum(in_rows.sum(axis=1), 1),
    }


def bins(values: NDArray[Any], edges: Sequence[float]) -> NDArray[np.int64]:
    """The bin of each value: i where edges[i] <= value < edges[i + 1]; values outside go to the nearest bin."""
    return np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2).astype(np.int64)


def distribution(values: NDArray[Any], edges: Sequence[float]) -> ReferenceDistribution:
    """The share of the values in each bin."""
    counts = np.bincount(bins(values, edges), minlength=len(edges) - 1)
    return ReferenceDistribution(edges=tuple(edges), shares=tuple((counts / max(len(values), 1)).tolist()))


def _sums(images: NDArray[Any]) -> NDArray[np.float64]:
    """The sum of each row, [N, 28, 28] -> float64[N, 28]: a product of float32, which is exact below 2**24.

    Less than half the time of `sum`, which adds integers of one byte one by one.
    """
    count, rows, columns = images.shape
    flat = images.reshape(count * rows, columns).astype(np.float32) @ np.ones(columns, np.float32)
    return np.asarray(flat.reshape(count, rows), np.float64)


def _extent(lit: NDArray[np.bool_]) -> NDArray[np.float64]:
    """First to last true position of bool[N, 28], inclusive; 0 where none is true."""
    length = lit.shape[1]
    last = length - lit[:, ::-1].argmax(axis=1)
    return np.where(lit.any(axis=1), last - lit.argmax(axis=1), 0).astype(np.float64)
