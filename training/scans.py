"""Images of digits as pictures that somebody would send: larger, on more paper, dark or light, in JPEG.

What reading them costs beside the images themselves says what imaging is worth. Knows arrays and a seed.
"""

import io
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ENLARGED = 4, 10  # times
PADDED = 0.5  # of the picture's side, on each side, at most; different margins move the digit
QUALITY = 60, 90


def scan(images: NDArray[np.uint8], seed: int) -> Iterator[bytes]:
    """A JPEG of each of uint8[N, 28, 28]."""
    rng = np.random.default_rng(seed)
    for image in images:
        side = image.shape[0] * int(rng.integers(ENLARGED[0], ENLARGED[1] + 1))
        large = np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC))
        top, bottom, left, right = rng.integers(0, int(side * PADDED) + 1, 4)
        picture = np.pad(large, ((top, bottom), (left, right)))
        if rng.random() < 0.5:
            picture = 255 - picture
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "JPEG", quality=int(rng.integers(QUALITY[0], QUALITY[1] + 1)))
        yield file.getvalue()
