import io

import numpy as np
from PIL import Image

from training import scans, strokes

IMAGES, _ = strokes.draw_many(40, seed=4)


def test_scans_are_larger_pictures_dark_and_light() -> None:
    pictures = [Image.open(io.BytesIO(content)) for content in scans.scan(IMAGES, seed=1)]
    assert {picture.format for picture in pictures} == {"JPEG"}
    assert all(4 * 28 <= min(picture.size) <= max(picture.size) <= 2 * 10 * 28 for picture in pictures)
    light = [np.median(np.asarray(picture)) > 128 for picture in pictures]
    assert 8 < sum(light) < 32


def test_the_same_seed_makes_the_same_scans() -> None:
    one, again, other = (list(scans.scan(IMAGES[:3], seed)) for seed in (1, 1, 2))
    assert one == again
    assert one != other
