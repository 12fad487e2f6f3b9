"""Whatever the grey levels, the normaliser gives an image, soon. What decodes at all is in test_decode."""

import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from service.imaging import frame
from service.imaging.locate import MAP_SIDE

FUZZ = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
LEVELS = st.integers(0, 255)
SLOWEST_S = 0.25  # of processor time; the slowest picture of those below takes a tenth of that


def check(grey):
    began = time.process_time()
    image, is_several = frame(grey)
    assert time.process_time() - began < SLOWEST_S
    assert (image.shape, image.dtype) == ((28, 28), np.uint8)
    assert type(is_several) is bool
    assert image.max() in (0, *range(64, 256))  # no ink at all, or ink that can be seen


@FUZZ
@given(grey=arrays.arrays(np.uint8, arrays.array_shapes(min_dims=2, max_dims=2, max_side=40), elements=LEVELS))
def test_any_small_picture_gives_an_image(grey):
    check(grey)


@FUZZ
@given(
    size=st.tuples(st.integers(1, 700), st.integers(1, 700)),
    seed=st.integers(0, 2**32 - 1),
    paper=LEVELS,
    deviation=st.sampled_from([0, 0, 1, 6, 30, 120]),
    marks=st.lists(st.tuples(*[st.floats(0, 1)] * 4, LEVELS), max_size=8),
)
def test_any_marks_on_any_paper_give_an_image(size, seed, paper, deviation, marks):
    grey = np.full(size, paper, float)
    for top, left, height, width, level in marks:
        down, along = int(top * size[0]), int(left * size[1])
        grey[down : down + 1 + int(height * size[0]), along : along + 1 + int(width * size[1])] = level
    grey += np.random.default_rng(seed).normal(0, deviation, size) if deviation else 0
    check(grey.clip(0, 255).astype(np.uint8))


def comb(side):
    grey = np.full((side, side), 255, np.uint8)
    grey[:, ::2] = 0
    grey[-1] = 0
    return grey


@pytest.mark.parametrize(
    "grey",
    [
        pytest.param(255 * (np.indices((MAP_SIDE, MAP_SIDE)).sum(axis=0) % 2).astype(np.uint8), id="chequers"),
        pytest.param(comb(MAP_SIDE), id="comb"),
        pytest.param(comb(MAP_SIDE)[::-1], id="comb, the other way up"),
        pytest.param(comb(MAP_SIDE).T, id="comb, lying"),
        pytest.param(np.kron(np.random.default_rng(0).choice([0, 255], (64, 64)), np.ones((2, 2))), id="blots"),
        pytest.param(np.random.default_rng(0).choice([0, 255], (MAP_SIDE, MAP_SIDE), p=[0.3, 0.7]), id="pepper"),
        pytest.param(np.random.default_rng(0).choice([0, 255], (1000, 1200)), id="a large picture of noise"),
        pytest.param(np.eye(1100) * 255, id="a line of a pixel across a large picture"),
    ],
)
def test_what_has_most_pieces_takes_no_longer(grey):
    check(np.ascontiguousarray(grey, dtype=np.uint8))
