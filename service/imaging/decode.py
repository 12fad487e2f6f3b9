"""Bytes of a picture -> grey levels. It knows file formats and their traps, and nothing of digits or of HTTP.

Six formats are let in, by their first bytes. The size is read from the header and refused there, before a pixel is
decoded. A large picture is reduced on the way, by the JPEG decoder itself where it can, so that what follows works on
at most 1.2 megapixels, however large the file.
"""

import math
from collections.abc import Mapping, Sequence
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

# TIFF and WebP are imported so that they are registered: Pillow would otherwise load all its 40 plugins to find them.
from PIL import ExifTags, Image, TiffImagePlugin, UnidentifiedImageError, WebPImagePlugin  # noqa: F401

from service.errors import AxonError, InvalidImage, NotAnImage, TooLarge

Grey = NDArray[np.uint8]

SIGNATURES: Mapping[str, Sequence[bytes]] = {
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "JPEG": (b"\xff\xd8\xff",),
    "GIF": (b"GIF87a", b"GIF89a"),
    "BMP": (b"BM",),
    "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "WEBP": (b"RIFF",),  # and WEBP from the ninth byte
}
WORKING_PIXELS = 640 * 480  # a picture is reduced while it keeps at least as many: a digit a tenth as high is 48 high
MAX_SCANS = 64  # of a JPEG; encoders write about ten, and each costs up to 20 ms at 36 megapixels for 59 bytes
FULL_SCALES = (255, 4095, 65535, 2**31)  # white, in grey deeper than 8 bits: scanners put 12 bits in 16-bit files
CARD = 0.7, 100  # a cut-out that fills this part of its box, and has this contrast, has paper of its own

TURNS: Mapping[int, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode(data: bytes, max_pixels: int) -> Grey:
    """Decodes a PNG, JPEG, WebP, BMP, TIFF or GIF (its first frame) to upright grey levels: uint8[H, W].

    A picture of 1.2 megapixels or more comes reduced by a whole factor.

    Raises NotAnImage for other bytes, TooLarge for more than `max_pixels`, InvalidImage for a corrupt picture.
    """
    kind = recognise(data)
    try:
        return np.asarray(upright_grey(open_within(data, kind, max_pixels)))
    except AxonError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise TooLarge(f"the picture has far more than the {max_pixels:,} pixels that are allowed") from None
    except Exception as error:  # Pillow's decoders meet corrupt bytes with exceptions of every kind
        raise InvalidImage(
            f"the {kind} picture is truncated or corrupt: its {len(data):,} bytes do not decode"
        ) from error


def recognise(data: bytes) -> str:
    """Names the format by the first bytes. Raises NotAnImage where it is none of the six."""
    for kind, signatures in SIGNATURES.items():
        if data.startswith(tuple(signatures)) and (kind != "WEBP" or data[8:12] == b"WEBP"):
            return kind
    got = f"{len(data):,} bytes of something else" if data else "no bytes at all"
    raise NotAnImage(f"the picture must be a PNG, JPEG, WebP, BMP, TIFF or GIF, got {got}")


def open_within(data: bytes, kind: str, max_pixels: int) -> Image.Image:
    """Opens a picture, its pixels not yet decoded, and refuses it where decoding would cost too much."""
    try:
        picture = Image.open(BytesIO(data), formats=[kind])
    except UnidentifiedImageError:
        raise InvalidImage(f"the {kind} picture is truncated or corrupt: its header cannot be read") from None
    refuse_pixels(picture.width, picture.height, max_pixels)
    if isinstance(picture, TiffImagePlugin.TiffImageFile):  # a tile may be larger than its picture, and is held whole
        tags = picture.tag_v2
        refuse_pixels(tags.get(TiffImagePlugin.TILEWIDTH, 1), tags.get(TiffImagePlugin.TILELENGTH, 1), max_pixels)
    if kind == "JPEG":
        if (scans := data.count(b"\xff\xda")) > MAX_SCANS:
            raise InvalidImage(f"the JPEG picture has {scans:,} scans; at most {MAX_SCANS} are allowed")
        factor = reduction(picture)
        picture.draft("L", (max(1, picture.width // factor), max(1, picture.height // factor)))
    return picture


def refuse_pixels(width: int, height: int, max_pixels: int) -> None:
    """Raises TooLarge for more than `max_pixels`."""
    if width * height > max_pixels:
        raise TooLarge(
            f"the picture has {width:,} x {height:,} = {width * height:,} pixels; at most {max_pixels:,} are allowed"
        )


def reduction(picture: Image.Image) -> int:
    """The whole factor by which a picture is reduced in width and in height."""
    return max(1, math.isqrt(picture.width * picture.height // WORKING_PIXELS))


def upright_grey(picture: Image.Image) -> Image.Image:
    """Decodes, composites, reduces and turns a picture: mode L."""
    picture.load()
    turn = TURNS.get(orientation(picture))
    grey = flatten(picture)
    return grey.transpose(turn) if turn is not None else grey


def orientation(picture: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1, upright, where there is none or it cannot be read."""
    try:
        return int(picture.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # a corrupt EXIF block is no reason to refuse good pixels
        return 1


def flatten(picture: Image.Image) -> Image.Image:
    """Any mode -> mode L, reduced. Colours are weighed as in ITU-R 601; what is transparent becomes paper."""
    factor = reduction(picture)
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        scales = (1, *FULL_SCALES) if picture.mode == "F" else FULL_SCALES
        return scale_depth(picture.convert("F").reduce(factor), scales)
    if picture.has_transparency_data:
        rgba = picture if picture.mode == "RGBA" else picture.convert("RGBA")  # a copy costs 160 MB at 40 megapixels
        return composite(rgba.reduce(factor) if factor > 1 else rgba)
    if picture.mode == "LAB":
        picture = picture.getchannel("L")
    if picture.mode in ("1", "P"):
        picture = picture.convert("L")
    if factor > 1:
        picture = picture.reduce(factor)
    return picture if picture.mode == "L" else picture.convert("L")


def scale_depth(picture: Image.Image, scales: Sequence[int]) -> Image.Image:
    """Deep grey levels, mode F -> mode L. White is the smallest of the full scales that holds the lightest pixel."""
    levels = np.nan_to_num(np.asarray(picture), nan=0, posinf=0, neginf=0)
    lightest = levels.max()
    white = next((scale for scale in scales if lightest <= scale), lightest)
    return Image.fromarray(np.clip(levels * (255 / white), 0, 255).astype(np.uint8))


def composite(picture: Image.Image) -> Image.Image:
    """Lays a picture with transparency, mode RGBA, on paper on which its ink shows: mode L."""
    grey, alpha = picture.convert("L"), picture.getchannel("A")
    if alpha.getextrema() == (255, 255):
        return grey
    opaque = alpha.point([0] * 128 + [255] * 128)
    paper = Image.new("L", picture.size, backdrop(grey, opaque))
    paper.paste(grey, mask=alpha)
    return paper


def backdrop(grey: Image.Image, opaque: Image.Image) -> int:
    """The grey level of the paper to lay under a cut-out picture, given where it is opaque.

    A card, that is a compact piece with dark and light in it, brings its own paper, which goes on at its median.
    Strokes on a transparent canvas are bare ink: they get white paper, or black where they are light themselves.
    """
    box = opaque.getbbox()
    if box is None:
        return 255
    counts = np.cumsum(grey.histogram(mask=opaque))
    dark, middle, light = (int(level) for level in np.searchsorted(counts, counts[-1] * np.array([0.05, 0.5, 0.95])))
    filled = counts[-1] / ((box[2] - box[0]) * (box[3] - box[1]))
    if filled >= CARD[0] and light - dark >= CARD[1]:
        return middle
    return 255 if middle < 128 else 0
