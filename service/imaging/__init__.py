"""Bytes of a picture -> uint8[28, 28], the image that a model reads. It knows nothing of HTTP and of models."""

from service.imaging.decode import Grey, decode
from service.imaging.normalise import normalise

__all__ = ["Grey", "decode", "normalise", "read_image"]


def read_image(data: bytes, max_pixels: int) -> Grey:
    """Reads a picture of one digit: uint8[28, 28], light ink on dark, as MNIST frames it; all 0 where there is no ink.

    Raises NotAnImage, TooLarge or InvalidImage.
    """
    return normalise(decode(data, max_pixels))
