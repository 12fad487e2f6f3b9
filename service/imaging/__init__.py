"""Bytes of a picture -> uint8[28, 28], the image that a model reads. It knows nothing of HTTP and of models."""

import io

from PIL import Image

from service.imaging.decode import SIGNATURES, Grey, decode
from service.imaging.normalise import frame, normalise
from service.imaging.segment import Writing, find_strips, reduced_by

__all__ = ["Grey", "Writing", "decode", "find_strips", "frame", "normalise", "read_image", "reduced_by", "warm_up"]


def warm_up() -> None:
    """Reads a picture of each format once, for the first use of a decoder or of linear algebra costs 0.1 s."""
    picture = Image.new("L", (64, 64), 255)
    picture.paste(0, (30, 10, 34, 54))
    for kind in SIGNATURES:
        file = io.BytesIO()
        picture.save(file, kind)
        read_image(file.getvalue(), max_pixels=picture.width * picture.height)


def read_image(data: bytes, max_pixels: int) -> Grey:
    """Reads a picture of one digit: uint8[28, 28], light ink on dark, as MNIST frames it; all 0 where there is no ink.

    Raises NotAnImage, TooLarge or InvalidImage.
    """
    return normalise(decode(data, max_pixels))
