"""The few formulas that the numbers go through."""

import math
import statistics
from collections.abc import Sequence

import numpy as np


def percentile(values: Sequence[float], share: float) -> float:
    """The least value that at least `share` (0..1) of all values do not exceed: nearest rank, never interpolated."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the ratios within each round: what slows a round slows both."""
    return statistics.median(our / their for our, their in zip(ours, theirs, strict=True))


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Least squares: how much y grows as x grows by one."""
    return float(np.polyfit(np.asarray(x, float), np.asarray(y, float), 1)[0])


def arrivals(rate: float, seconds: float, seed: int) -> list[float]:
    """Times of a Poisson process from 0 to `seconds`."""
    rng = np.random.default_rng(seed)
    gaps = rng.exponential(1 / rate, math.ceil(rate * seconds * 1.2) + 100)
    times = np.cumsum(gaps)
    return [float(time) for time in times[times < seconds]]
