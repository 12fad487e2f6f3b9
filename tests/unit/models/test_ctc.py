import numpy as np
import pytest

from models import ctc


@pytest.mark.parametrize(
    ("answers", "text"),
    [
        ([-1, -1, -1], []),
        ([3, 3, 3], [3]),
        ([3, 3, -1, 3], [3, 3]),
        ([-1, 7, 0, 0, -1, 10], [7, 0, 10]),
        ([5], [5]),
    ],
)
def test_repeated_answers_are_one_and_nothing_parts_them(answers: list[int], text: list[int]) -> None:
    assert [seen.label for seen in ctc.spell(np.array(answers))] == text


def test_characters_know_which_answers_say_them() -> None:
    assert ctc.spell(np.array([-1, 4, 4, 2, -1])) == [ctc.Seen(4, 1, 3), ctc.Seen(2, 3, 4)]


def test_the_last_class_is_nothing() -> None:
    logits = np.zeros((2, 3, 12), np.float32)
    logits[0, :, 11] = 1
    logits[1, [0, 1, 2], [4, 10, 11]] = 1
    assert ctc.best(logits).tolist() == [[-1, -1, -1], [4, 10, -1]]
