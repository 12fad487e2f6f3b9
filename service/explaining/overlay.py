"""A saliency map laid over its image, as a PNG in a data URL."""

import base64
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SCALE = 8
INK = 0.55  # the darkest that ink is shown, so that colours show on it
COVER = 0.9  # of a pixel, where the map is strongest
FOR, AGAINST = (0, 90, 181), (220, 50, 32)  # blue and red that differ for colour-blind eyes too, in grey as well


def draw(image: NDArray[np.uint8], saliency: NDArray[np.float64]) -> str:
    """Lays float64[28, 28] of -1 to 1 over uint8[28, 28], dark ink on white: blue speaks for the digit, red against."""
    picture = 255 * (1 - INK * image / 255)[..., None]
    colours = np.where(saliency[..., None] > 0, FOR, AGAINST)
    laid = picture + COVER * np.abs(saliency)[..., None] * (colours - picture)
    pixels = Image.fromarray(np.rint(laid).astype(np.uint8))
    file = BytesIO()
    size = image.shape[1] * SCALE, image.shape[0] * SCALE
    pixels.resize(size, Image.Resampling.NEAREST).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
