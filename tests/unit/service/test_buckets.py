"""Rows in fixed sizes, with a runner whose answer shows every row that it was given."""

import numpy as np
import pytest

from service.inference.buckets import Bucketed, bucket_sizes


class Gossip:
    """Tells each row its own number, and the sum of all numbers in the batch: a neighbour that is there, is seen."""

    def __init__(self, most: int) -> None:
        self.staging = np.full((most, 1), 99, np.float32)
        self.answer = np.empty((most, 2), np.float32)
        self.sizes: list[int] = []

    def run(self, size: int) -> np.ndarray:
        self.sizes.append(size)
        self.answer[:size, 0] = self.staging[:size, 0]
        self.answer[:size, 1] = self.staging[:size].sum()
        return self.answer[:size]


def numbers(count: int, first: int = 1) -> np.ndarray:
    return np.arange(first, first + count, dtype=np.float32)[:, None]


def told(rows: np.ndarray) -> np.ndarray:
    return np.hstack([rows, np.full_like(rows, rows.sum())])


@pytest.mark.parametrize(
    ("most", "sizes"), [(1, (1,)), (2, (1, 2)), (3, (1, 2, 3)), (8, (1, 2, 4, 8)), (9, (1, 2, 4, 8, 9))]
)
def test_sizes_double_up_to_the_largest(most: int, sizes: tuple[int, ...]) -> None:
    assert bucket_sizes(most) == sizes


@pytest.mark.parametrize("most", [256, 300])
def test_every_count_runs_in_the_smallest_size_that_holds_it(most: int) -> None:
    sizes = bucket_sizes(most)
    for count in range(1, 301):
        gossip = Gossip(most)
        answer = Bucketed(gossip, sizes).predict(numbers(count))
        rest = [min(size for size in sizes if size >= count - most)] if count > most else []
        assert gossip.sizes == ([most, *rest] if count > most else [min(size for size in sizes if size >= count)])
        expected = [told(numbers(count)[start : start + most]) for start in range(0, count, most)]
        assert np.array_equal(answer, np.concatenate(expected))


def test_what_a_larger_batch_left_is_not_seen() -> None:
    bucketed = Bucketed(Gossip(16), bucket_sizes(16))
    bucketed.predict(numbers(16, first=1000))
    for count in (9, 5, 3, 2, 1):
        assert np.array_equal(bucketed.predict(numbers(count)), told(numbers(count)))


def test_an_answer_stays_what_it_is() -> None:
    gossip = Gossip(4)
    bucketed = Bucketed(gossip, bucket_sizes(4))
    first = bucketed.predict(numbers(4))
    assert not np.shares_memory(first, gossip.answer)
    bucketed.predict(numbers(4, first=50))
    assert np.array_equal(first, told(numbers(4)))


def test_rows_of_another_type_are_an_error_and_not_rounded() -> None:
    with pytest.raises(TypeError, match="float64"):
        Bucketed(Gossip(4), bucket_sizes(4)).predict(numbers(2).astype(np.float64))
