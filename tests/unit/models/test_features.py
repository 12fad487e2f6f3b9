import numpy as np
import pytest

from models import features


def test_features_of_a_bar_can_be_counted_by_eye() -> None:
    image = np.zeros((28, 28), np.uint8)
    image[4:24, 10:14] = 255
    image[4, 10:14] = 100
    measured = {name: float(values[0]) for name, values in features.measure(image[None]).items()}
    assert measured["width"] == 4
    assert measured["height"] == 20
    assert measured["grey"] == pytest.approx(4 / 80)
    assert measured["ink"] == pytest.approx((76 * 255 + 4 * 100) / 255 / 784)


def test_a_blank_image_has_no_extent() -> None:
    blank = features.measure(np.zeros((1, 28, 28), np.uint8))
    assert {name: values[0] for name, values in blank.items()} == dict.fromkeys(features.EDGES, 0)


def test_every_value_falls_into_a_bin_and_shares_add_up() -> None:
    edges = (0.0, 0.5, 1.0)
    assert features.bins(np.array([-1, 0, 0.49, 0.5, 1.0, 7]), edges).tolist() == [0, 0, 0, 1, 1, 1]
    assert features.distribution(np.array([0.1, 0.2, 0.9, 1.0]), edges).shares == (0.5, 0.5)
