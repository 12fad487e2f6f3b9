"""What a line reader's answers say: repeated answers are one, and nothing is left out (best path decoding).

Graves et al., "Connectionist temporal classification", ICML 2006, section 3.2. Training and serving read alike by it.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

NO_DIGIT = 10  # the class of a character that is no digit; 0 to 9 are digits, and the last class is nothing


class Seen(NamedTuple):
    """One character: its class, and the answers from `first` up to `last` (not itself) that say so."""

    label: int
    first: int
    last: int


def spell(answers: NDArray[np.integer]) -> list[Seen]:
    """The characters of one line, from left to right: the best class of each answer, int[T] with the blank as -1."""
    turns = np.flatnonzero(np.diff(answers)) + 1
    firsts, lasts = np.concatenate([[0], turns]), np.concatenate([turns, [len(answers)]])
    labels = answers[firsts]
    return [
        Seen(int(label), int(first), int(last))
        for label, first, last in zip(labels, firsts, lasts, strict=True)
        if label >= 0
    ]


def best(logits: NDArray[np.floating]) -> NDArray[np.integer]:
    """The best class of each answer, float[..., T, C] -> int[..., T]; nothing, the last class, as -1."""
    classes = logits.argmax(axis=-1)
    return np.where(classes == logits.shape[-1] - 1, -1, classes)
