"""Composed lines say what they are said to say, and are the same for the same seed."""

import numpy as np
import pytest
import torch

from models import ctc
from training import lines, strokes
from training.data import Examples
from training.lines import Composition, Lines

IMAGES, LABELS = strokes.draw_many(100, seed=4)
EXAMPLES = Examples(torch.from_numpy(IMAGES), torch.from_numpy(LABELS))
CLEAN = Composition(illegible=0, soiling={"often": 0}, jitter=0, slant=0, size=(1, 1))


def gaps(line: np.ndarray) -> int:
    """How many gaps there are between columns with ink."""
    inked = np.flatnonzero((line > lines.INK * 255).any(axis=0))
    return int((np.diff(inked) > 1).sum())


def test_a_batch_has_the_digits_that_its_lengths_say() -> None:
    [first, *_] = batches = Lines(EXAMPLES, Composition(), (0, 0), 8, 16)[0]
    assert len(batches) == 4
    assert first.lines.dtype == torch.uint8
    assert first.lines.shape[:2] == (16, lines.HEIGHT)
    assert int(first.lengths.sum()) == len(first.digits)
    assert all(int(batch.lengths.max()) <= 10 for batch in batches)


def test_the_same_seed_composes_the_same_lines() -> None:
    one, again, other = (Lines(EXAMPLES, Composition(), seed, 8, 16)[1] for seed in ((0, 0), (0, 0), (0, 1)))
    assert all(
        torch.equal(a, b) for first, second in zip(one, again, strict=True) for a, b in zip(first, second, strict=True)
    )
    assert not torch.equal(one[0].lengths, other[0].lengths)


def test_lines_of_a_batch_are_about_as_long() -> None:
    batches = Lines(EXAMPLES, Composition(whole=0), (0, 0), 8, 32)[0]
    widths = sorted(batch.lines.shape[2] for batch in batches)
    assert widths[-1] > 2 * widths[0]


@pytest.mark.parametrize(("touching", "fewest", "most"), [(0.0, 2.5, 6.0), (1.0, 0.0, 0.5)])
def test_digits_stand_apart_or_touch(touching: float, fewest: float, most: float) -> None:
    composition = CLEAN.model_copy(update={"touching": touching, "mixed": 0.0, "gap": (3, 8), "longest": 9})
    batch = lines.compose_whole(EXAMPLES, composition, 60, seed=1)
    assert fewest <= np.mean([gaps(line) for line in batch.lines.numpy()]) < most


def test_lines_too_long_for_a_strip_lose_digits_and_their_labels_alike() -> None:
    composition = CLEAN.model_copy(update={"touching": 0.0, "mixed": 0.0, "gap": (40, 40)})
    batch = lines.compose_whole(EXAMPLES, composition, 40, seed=1)
    assert int(batch.lengths.max()) < 8
    counted = [gaps(line) + 1 for line in batch.lines.numpy()]
    assert np.mean([count == length for count, length in zip(counted, batch.lengths.tolist(), strict=True)]) > 0.9


def test_strange_characters_are_labelled_so() -> None:
    batch = lines.compose_whole(EXAMPLES, Composition(illegible=0.5), 40, seed=1)
    assert 0.4 < float((batch.digits == ctc.NO_DIGIT).float().mean()) < 0.6
    assert not (lines.compose_whole(EXAMPLES, Composition().plain, 40, seed=1).digits == ctc.NO_DIGIT).any()
