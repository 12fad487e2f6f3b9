"""Whether one reader is better than another, or only luckier: over seeds, and on the same images.

Knows runs, and which images were read rightly. Where those come from is `training.evaluate`'s business.
"""

import math
from collections.abc import Sequence

from torch import Tensor

from models.manifest import SeedStatistics
from training import run
from training.run import Run


def siblings(of: Run) -> list[Run]:
    """The runs beside it that have ended and differ from it by their seed alone, itself included, by seed."""
    found = (run.find(path.parent) for path in of.folder.parent.glob(f"*/{run.RECORD}"))
    ended = [one for one in found if one.is_complete and one.record.name == of.record.name]
    return sorted(filter(lambda one: one.record.recipe == of.record.recipe, ended), key=lambda one: one.record.seed)


def over_seeds(what: str, values: Sequence[float]) -> SeedStatistics:
    """Mean, standard deviation (of the sample), least and greatest of one figure over the seeds of a recipe."""
    mean = math.fsum(values) / len(values)
    squares = math.fsum((value - mean) ** 2 for value in values)
    return SeedStatistics(
        what=what,
        n=len(values),
        mean=round(mean, 6),
        std=round(math.sqrt(squares / max(1, len(values) - 1)), 6),
        min=min(values),
        max=max(values),
    )


def mcnemar(first: Tensor, second: Tensor) -> float:
    """How likely so uneven a difference is by chance, two-sided and exact (McNemar, Psychometrika 12, 1947).

    `first` and `second`, bool[N], say which of the same images each reader read rightly. Those on which they agree tell
    nothing; the others are tosses of a coin if neither reader is better.
    """
    gained, lost = int((second & ~first).sum()), int((first & ~second).sum())
    tosses = gained + lost
    tail = sum(math.comb(tosses, heads) for heads in range(min(gained, lost) + 1))
    return min(1.0, 2 * tail / (1 << tosses))
