import numpy as np
import pytest

from service.explaining import occlude
from service.explaining.occlusion import log_odds
from training.strokes import draw, draw_many


def probabilities_of_one(logits: np.ndarray) -> np.ndarray:
    """A reader that knows the digits 0 and 1, and gives 1 these log-odds."""
    read = np.zeros((*np.shape(logits), 10))
    read[..., 1] = 1 / (1 + np.exp(-np.asarray(logits)))
    read[..., 0] = 1 - read[..., 1]
    return read


def explained(image, logits_of):
    """The saliency for 1 of an image, by a reader that gives log-odds float64[N] for images of 0 to 1."""
    occlusions = occlude(image)
    before, after = (probabilities_of_one(logits_of(images / 255)) for images in (image[None], occlusions.images))
    return occlusions.saliency(before[0], after, 1)


@pytest.fixture
def image():
    return draw(3, np.random.default_rng(1))


def strongest(saliency):
    return np.unravel_index(np.abs(saliency).argmax(), saliency.shape)


@pytest.mark.parametrize("sign", [1, -1])
def test_ink_that_counts_is_found(image, sign):
    row, column = np.argwhere(image == 255)[40]
    saliency = explained(image, lambda images: sign * 5 * images[:, row, column])
    assert saliency[row, column] * sign > 0
    assert np.abs(np.array(strongest(saliency)) - (row, column)).max() <= 3  # a window reaches so far
    far = np.hypot(*(np.mgrid[:28, :28] - np.array([row, column])[:, None, None])) > 8
    assert np.abs(saliency[far]).max() == 0


@pytest.mark.parametrize("sign", [1, -1])
def test_paper_that_counts_is_found(image, sign):
    row, column = 2, 24
    assert image[row, column] == 0
    saliency = explained(image, lambda images: -sign * 5 * images[:, row, column])
    assert saliency[row, column] * sign > 0
    assert np.abs(np.array(strongest(saliency)) - (row, column)).max() <= 4


def test_the_largest_magnitude_is_one(image):
    saliency = explained(image, lambda images: images[:, :14].sum(axis=(1, 2)) - images[:, 14:].sum(axis=(1, 2)))
    assert (saliency.shape, saliency.dtype) == ((28, 28), np.float64)
    assert np.abs(saliency).max() == 1
    assert saliency[:12][image[:12] > 200].min() > 0 > saliency[16:][image[16:] > 200].max()


def test_a_reader_that_sees_nothing_is_explained_by_nothing(image):
    assert not explained(image, lambda images: np.zeros(len(images))).any()


def test_variants_change_what_they_say_and_no_more(image):
    images, changes, weights = occlude(image)
    assert images.dtype == np.uint8
    assert len(images) == len(changes) == len(weights) <= 289
    assert changes.any(axis=(1, 2)).all()
    assert np.abs(np.abs(images / 255 - image / 255) - changes).max() < 1 / 255
    assert changes.max(axis=0).min() > 0.49  # every pixel has its turn


@pytest.mark.parametrize("level", [0, 1, 255])
def test_images_without_a_digit_have_variants_too(level):
    images, changes, _ = occlude(np.full((28, 28), level, np.uint8))
    assert len(images) == len(changes) > 0
    saliency = explained(np.full((28, 28), level, np.uint8), lambda images: images.sum(axis=(1, 2)))
    assert np.isfinite(saliency).all()


def test_log_odds_of_certainty_are_finite():
    sure = np.eye(10)[[3, 3]]
    assert np.isfinite(log_odds(sure, 3)).all()
    assert (log_odds(sure, 3) > 700).all()
    assert (log_odds(sure, 4) < -700).all()


def test_variants_cost_what_is_promised():
    """The documents and the limit on images speak of 130 readings."""
    counts = [len(occlude(image).images) for image in draw_many(50, seed=4)[0]]
    assert 110 < np.mean(counts) < 150
