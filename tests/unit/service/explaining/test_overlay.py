import base64
import io

import numpy as np
from PIL import Image

from service.explaining import draw


def pixels(url: str) -> np.ndarray:
    header, _, text = url.partition(",")
    assert header == "data:image/png;base64"
    picture = Image.open(io.BytesIO(base64.b64decode(text)))
    assert (picture.format, picture.mode, picture.size) == ("PNG", "RGB", (224, 224))
    return np.asarray(picture).astype(int)[4::8, 4::8]


def test_blue_speaks_for_and_red_against():
    image, saliency = np.zeros((28, 28), np.uint8), np.zeros((28, 28))
    image[10], saliency[10, 4], saliency[10, 5] = 255, 1, -1
    shown = pixels(draw(image, saliency))
    assert (shown[0] == 255).all()
    ink, supporting, opposing = shown[10, 20], shown[10, 4], shown[10, 5]
    assert ink[0] == ink[1] == ink[2] < 150
    assert supporting[2] > supporting[0] + 100
    assert opposing[0] > opposing[2] + 100
    weak = pixels(draw(image, saliency / 10))
    assert np.abs(weak[10, 4] - ink).max() < np.abs(supporting - ink).max() / 4


def test_the_colours_differ_in_grey_too():
    """A print, and eyes that see no hue, tell them by their lightness."""
    saliency = np.tile([1.0, -1.0], (28, 14))
    shown = pixels(draw(np.zeros((28, 28), np.uint8), saliency))
    lightness = shown @ [0.299, 0.587, 0.114]
    assert abs(lightness[0, 0] - lightness[0, 1]) > 5
