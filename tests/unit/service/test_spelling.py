"""Which candidates are taken for digits, given readings that can be worked out by eye."""

import numpy as np

from service.imaging.segment import Candidate, Lattice
from service.inference.predictions import READING
from service.inference.spelling import WEIGHTS, measure, spell

PLAIN = {"width": 0.8, "height": 1.0, "ink": 0.22, "crossed": 0.0}


def candidate(start: int, end: int, line: int = 0, **sizes: float) -> Candidate:
    return Candidate(line=line, start=start, end=end, box=(0, 0, 1, 1), **(PLAIN | sizes))


def lattice(*candidates: Candidate) -> Lattice:
    lines = 1 + max((one.line for one in candidates), default=-1)
    ends = [max(one.end for one in candidates if one.line == line) for line in range(lines)]
    return Lattice(list(candidates), np.zeros((len(candidates), 28, 28), np.uint8), ends, [])


def readings(*confidences: float, surplus: float = 1.0, digit: int = 6) -> np.ndarray:
    rows = np.zeros(len(confidences), READING)
    for row, confidence in zip(rows, confidences, strict=True):
        row["probabilities"] = (1 - confidence) / 9
        row["probabilities"][digit] = confidence
    rows["surplus"] = surplus
    return rows


def test_the_surer_way_to_cut_is_taken() -> None:
    choices = lattice(candidate(0, 2), candidate(0, 1), candidate(1, 2))
    assert spell(choices, readings(0.2, 0.999, 0.999)) == [1, 2]
    assert spell(choices, readings(0.999, 0.2, 0.2)) == [0]


def test_what_the_model_takes_for_no_digit_loses() -> None:
    choices = lattice(candidate(0, 2), candidate(0, 1), candidate(1, 2))
    read = readings(0.99, 0.99, 0.99)
    read["surplus"] = -3, 1, 1
    assert spell(choices, read) == [1, 2]
    read["surplus"] = 1, -3, 1
    assert spell(choices, read) == [0]


def test_a_cut_through_ink_costs() -> None:
    choices = lattice(candidate(0, 2), candidate(0, 1, crossed=0.6), candidate(1, 2, crossed=0.6))
    assert spell(choices, readings(0.9, 0.9, 0.9)) == [0]


def test_what_is_as_wide_as_two_digits_is_two() -> None:
    choices = lattice(candidate(0, 2, width=1.9, ink=0.5), candidate(0, 1), candidate(1, 2))
    assert spell(choices, readings(0.9, 0.9, 0.9)) == [1, 2]


def test_a_path_runs_from_the_first_node_to_the_last() -> None:
    choices = lattice(candidate(0, 1), candidate(2, 3), candidate(0, 2), candidate(1, 3))
    path = spell(choices, readings(0.99, 0.99, 0.3, 0.3))
    assert path in ([0, 3], [2, 1])


def test_lines_are_read_from_top_to_bottom() -> None:
    choices = lattice(candidate(0, 1, line=1), candidate(1, 2, line=0), candidate(0, 1, line=0))
    assert spell(choices, readings(0.9, 0.9, 0.9)) == [2, 1, 0]


def test_without_candidates_there_are_no_digits() -> None:
    assert spell(lattice(), readings()) == []


def test_every_weight_has_what_it_weighs() -> None:
    assert measure([candidate(0, 1)], readings(1.0)).shape == (1, len(WEIGHTS))
    assert np.isfinite(measure([candidate(0, 1)], readings(1.0))).all()
