import itertools
import math

import pytest

from benchmarks.arithmetic import arrivals, percentile, ratio, slope


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1), (0.5, 50), (0.501, 51), (0.99, 99), (0.999, 100), (1.0, 100)]
)
def test_a_percentile_is_a_value_that_occurred(share: float, expected: int) -> None:
    assert percentile(list(range(100, 0, -1)), share) == expected


def test_a_percentile_of_one_value() -> None:
    assert percentile([7.0], 0.999) == 7.0


def test_a_ratio_is_taken_within_each_round() -> None:
    # The second round was slow for both: its ratio counts like the others, where medians of rates would give 200 / 50.
    assert ratio([200, 20, 300], [100, 10, 50]) == 2.0


def test_rounds_must_pair() -> None:
    with pytest.raises(ValueError, match="zip"):
        ratio([1.0, 2.0], [1.0])


def test_the_slope_of_a_line_with_steps() -> None:
    assert slope([0, 1, 2, 3], [10, 12.5, 14.5, 17]) == pytest.approx(2.3)
    assert slope([5, 6, 7], [3, 3, 3]) == pytest.approx(0)


def test_arrivals_are_a_poisson_process() -> None:
    times = arrivals(rate=1_000, seconds=20, seed=0)
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert times[0] > 0
    assert times[-1] < 20
    assert min(gaps) >= 0
    assert len(times) == pytest.approx(20_000, abs=5 * math.sqrt(20_000))
    mean = sum(gaps) / len(gaps)
    deviation = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps))
    assert deviation == pytest.approx(mean, rel=0.05)  # exponential; 0 were they constant


def test_arrivals_repeat_with_a_seed() -> None:
    assert arrivals(50, 2, seed=1) == arrivals(50, 2, seed=1) != arrivals(50, 2, seed=2)
