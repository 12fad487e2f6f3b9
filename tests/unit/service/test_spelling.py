"""What a line reader's answers come to, without a network."""

import numpy as np
import pytest

from models import ctc
from service.inference.predictions import AMBIGUOUS, NOT_A_DIGIT, READING, REASONS, LineReader
from service.inference.spelling import judge, look_again, spell
from tests import bundles

STRIP = np.zeros((1, 32, 320), np.uint8)


def answers(*said: tuple[int, float]) -> np.ndarray:
    """Probabilities of 12 classes: this of one, and the others share what is left."""
    rows = [np.full(12, (1 - sure) / 11) for _, sure in said]
    for row, (label, sure) in zip(rows, said, strict=True):
        row[label] = sure
    return np.stack(rows)


class Fixed:
    """Answers any rows with the logits it was given."""

    platform, any_thread, runs_graph = "fake", True, True

    def __init__(self, logits: np.ndarray) -> None:
        self._logits = logits

    def predict(self, rows: np.ndarray) -> np.ndarray:
        return self._logits


def test_characters_are_where_they_were_seen_and_as_sure_as_at_their_clearest() -> None:
    four, seven = spell(answers((-1, 0.9), (4, 0.6), (4, 0.8), (-1, 0.9), (7, 0.5)), columns=10)
    assert (four.middle, seven.middle) == (4.0, 9.0)
    assert judge(four, least=0) == (4, pytest.approx(0.8), None)
    assert judge(seven, least=0) == (7, pytest.approx(0.5), None)


def test_an_unsure_digit_is_ambiguous_and_a_strange_character_none() -> None:
    said = spell(answers((1, 0.9), (2, 0.4), (ctc.NO_DIGIT, 0.9)), columns=6)
    sure, unsure, strange = (judge(character, least=0.5) for character in said)
    assert (sure.reason, unsure.reason, strange.reason) == (None, AMBIGUOUS, NOT_A_DIGIT)
    assert (strange.digit, strange.sign, unsure.sign) == (None, "?", "2")


def reading(probabilities: np.ndarray, reason: str | None = None) -> np.ndarray:
    made = np.zeros(1, READING)
    made["probabilities"], made["verdict"] = probabilities, (None, *REASONS).index(reason)
    return made[0]


def test_who_knows_single_digits_decides_what_stands_alone() -> None:
    [character] = spell(answers((4, 0.9)), columns=2)
    other = np.full(10, 0.01)
    other[9] = 0.91
    assert judge(look_again(character, reading(other)), least=0) == (9, pytest.approx(0.91), None)


def test_what_a_second_reader_refuses_is_refused() -> None:
    [character] = spell(answers((4, 0.9)), columns=2)
    assert judge(look_again(character, reading(np.full(10, 0.1), NOT_A_DIGIT)), least=0).reason == NOT_A_DIGIT


def test_no_digit_is_what_neither_takes_for_one() -> None:
    [character] = spell(answers((ctc.NO_DIGIT, 0.9)), columns=2)
    other = np.full(10, 0.01)
    other[9] = 0.91
    assert judge(look_again(character, reading(other)), least=0) == (9, pytest.approx(0.91), None)
    refused = judge(look_again(character, reading(other, NOT_A_DIGIT)), least=0)
    assert (refused.digit, refused.reason) == (None, NOT_A_DIGIT)


def test_a_line_reader_answers_calibrated_probabilities() -> None:
    logits = np.zeros((1, 3, 12), np.float32)
    logits[0, 0, 3] = 4
    manifest = bundles.manifest(output={"name": "logits", "dtype": "float32", "shape": (-1, 3, 12)}, temperature=2.0)
    [read] = LineReader(Fixed(logits), manifest).predict(STRIP)
    assert read[0, 3] == pytest.approx(np.exp(2) / (np.exp(2) + 11))
    assert read.sum(axis=1) == pytest.approx(1)
