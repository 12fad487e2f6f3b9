"""Which candidates of a picture are its digits: those on the best path from the first node of a line to its last.

A candidate's score is the reader's calibrated confidence, by how much its energy is above what its model rejects, how
far its size is from what such digits have, and the ink that its cuts cross. The weights were fitted, as a conditional
random field over paths, to numbers composed of MNIST's validation images. It knows readings and sizes, and no pixels.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from service.imaging.segment import Candidate, Lattice
from service.inference.engine import Outputs

Scores = NDArray[np.float64]

USUAL_ROWS = 100  # candidates of a picture, about: what is expected of one before it is decoded
LEAST_CONFIDENCE = 0.0025  # one wild reading must not outweigh all others
ENERGIES = 0.0, 0.5, 1.0  # parts of the rejection threshold above it, where the weight of the energy changes
CLEAR = 0.12  # of the line's height: a cut that crosses less may be none

# Of each digit: median and spread of the logarithm of width, of height, and of the logarithm of ink (for the line's
# height), in 100 numbers of isolated digits.
USUAL = np.array(
    [
        [-0.03, 1.0, -1.21],
        [-0.69, 1.0, -2.04],
        [-0.02, 1.0, -1.33],
        [-0.22, 1.0, -1.48],
        [-0.24, 1.0, -1.68],
        [0.0, 1.0, -1.51],
        [-0.28, 1.0, -1.4],
        [-0.16, 1.0, -1.57],
        [-0.2, 1.0, -1.35],
        [-0.22, 1.0, -1.53],
    ]
)
SPREAD = np.array(
    [
        [0.12, 0.05, 0.27],
        [0.38, 0.04, 0.3],
        [0.12, 0.06, 0.23],
        [0.18, 0.04, 0.25],
        [0.17, 0.04, 0.28],
        [0.17, 0.05, 0.34],
        [0.25, 0.04, 0.3],
        [0.19, 0.04, 0.27],
        [0.21, 0.04, 0.27],
        [0.23, 0.04, 0.28],
    ]
)
WEIGHTS = {
    "confidence": 1.0,
    "certainty": 0.1,
    "energy below 0": 1.0,
    "energy below 0.5": 1.0,
    "energy below 1": 1.0,
    "crossed": 4.0,
    "crossed a little": 4.0,
    "wide": 0.5,
    "very wide": 0.5,
    "narrow": 0.3,
    "very narrow": 0.3,
    "low": 0.3,
    "tall": 0.3,
    "much ink": 0.2,
    "little ink": 0.2,
    "each": 0.3,
    "one": 0.5,
}


def spell(lattice: Lattice, readings: Outputs) -> list[int]:
    """The candidates that are the digits, by number, line by line from left to right."""
    if not lattice.candidates:
        return []
    scores = measure(lattice.candidates, readings) @ np.array(list(WEIGHTS.values()))
    return [number for line, end in enumerate(lattice.ends) for number in best_path(lattice, scores, line, end)]


def best_path(lattice: Lattice, scores: Scores, line: int, end: int) -> list[int]:
    """The candidates that follow each other from a line's first node to its last, with the highest sum (Viterbi)."""
    best: dict[int, tuple[float, list[int]]] = {0: (0.0, [])}
    mine = [number for number, candidate in enumerate(lattice.candidates) if candidate.line == line]
    for number in sorted(mine, key=lambda number: lattice.candidates[number].start):
        candidate = lattice.candidates[number]
        if candidate.start not in best:
            continue
        score, path = best[candidate.start]
        score += float(scores[number])
        if candidate.end not in best or score > best[candidate.end][0]:
            best[candidate.end] = score, [*path, number]
    return best.get(end, (0.0, []))[1]


def measure(candidates: Sequence[Candidate], readings: Outputs) -> Scores:
    """What is weighed of each candidate, in the order of WEIGHTS: float64[N, features]."""
    probabilities, surplus = readings["probabilities"], readings["surplus"]
    digits, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    crossed = np.array([candidate.crossed for candidate in candidates])
    sizes = np.array([(candidate.width, candidate.height, candidate.ink) for candidate in candidates])
    sizes[:, 0], sizes[:, 2] = np.log(sizes[:, 0]), np.log(sizes[:, 2] + 0.01)
    wide, tall, inky = ((sizes - USUAL[digits]) / SPREAD[digits]).T
    return np.stack(
        [
            np.log(np.maximum(confidence, LEAST_CONFIDENCE)),
            np.minimum(-np.log(1 - confidence + 1e-9), 8),
            *(np.minimum(surplus - energy, 0) for energy in ENERGIES),
            -crossed,
            -np.minimum(crossed, CLEAR),
            -(wide - 1).clip(0, 4),
            -(wide - 2).clip(0, 6),
            -(-wide - 1).clip(0, 4),
            -(-wide - 2).clip(0, 6),
            -(-tall - 1).clip(0, 10),
            -(tall - 1).clip(0, 10),
            -(inky - 1).clip(0, 6),
            -(-inky - 1).clip(0, 6),
            -np.ones(len(candidates)),
            -(digits == 1).astype(np.float64),
        ],
        axis=1,
    )
