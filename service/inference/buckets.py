"""Batches of a few fixed sizes, as a recorded GPU run needs them: rows are padded to the smallest size that holds them.

Knows arrays; does not know what runs them.
"""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from service.inference.engine import Logits, Rows


class Runner(Protocol):
    """Runs batches of the sizes that it was made for."""

    @property
    def staging(self) -> Rows:
        """Where a run finds its rows: as many as the largest size has."""
        ...

    def run(self, size: int) -> Logits:
        """Logits of the first `size` rows of `staging`. The next run overwrites them."""
        ...


def bucket_sizes(most: int) -> tuple[int, ...]:
    """1, 2, 4, ... and `most` itself: padding at most doubles a batch."""
    return (*(1 << power for power in range((most - 1).bit_length())), most)


class Bucketed:
    """Answers any number of rows with a runner that knows a few sizes, in ascending order."""

    def __init__(self, runner: Runner, sizes: Sequence[int]) -> None:
        self._runner = runner
        self._sizes = sizes

    def predict(self, rows: Rows) -> Logits:
        """Logits of the rows, in memory of their own; more rows than the largest size are cut."""
        most = self._sizes[-1]
        parts = [self._run(rows[start : start + most]) for start in range(0, len(rows), most)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _run(self, rows: Rows) -> Logits:
        count = len(rows)
        size = self._sizes[bisect_left(self._sizes, count)]
        staging = self._runner.staging
        np.copyto(staging[:count], rows, casting="equiv")
        staging[count:size] = 0  # what an earlier request left there is nobody's neighbour
        return self._runner.run(size)[:count].copy()
