"""Spoils images in ways that training never shows: how much of the reading is left says how far it can be trusted.

Families and kinds of strengths after Hendrycks and Dietterich (arXiv:1903.12261) and Mu and Gilmer (MNIST-C,
arXiv:1906.02337), written anew for 28x28. A person reads nearly all of what the third strength leaves. What training
does itself is left out: affine maps, elastic waves, width of the stroke, Gaussian blur, additive noise (white, smooth),
contrast and offset, grey rectangles (training/augment.py). Nothing may be chosen by what comes out.

Knows arrays and one random generator: the same images, family, strength and seed give the same result.
"""

import io
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Images = NDArray[np.uint8]
Pixels = NDArray[np.floating[Any]]  # float[N, 28, 28] of 0..1
Generator = np.random.Generator

SIDE = 28
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE].astype(np.float32)
MIDDLE = (SIDE - 1) / 2
CHUNK = 1000  # images at a time: they and their coordinates stay in the cache


class Family(NamedTuple):
    """A corruption and its three strengths, mild to strong; what they count, the function's parameter says."""

    spoil: Callable[[Pixels, float, Generator], Pixels]
    strengths: tuple[float, float, float]


def corrupt(images: Images, family: str, level: int, seed: int = 0) -> Images:
    """Spoils uint8[N, 28, 28] by a family of FAMILIES at level 0, 1 or 2, each image in its own way."""
    rng = np.random.default_rng([seed, zlib.crc32(family.encode()), level])
    spoil, strengths = FAMILIES[family]
    chunks = [images[start : start + CHUNK] for start in range(0, len(images), CHUNK)]
    spoilt = [spoil(chunk.astype(np.float32) / 255, strengths[level], rng) for chunk in chunks]
    return (np.concatenate(spoilt).clip(0, 1) * 255).round().astype(np.uint8)


def shot(images: Pixels, photons: float, rng: Generator) -> Pixels:
    """White ink sends so many photons, paper a tenth: their counts vary (Poisson)."""
    return np.asarray(rng.poisson((images + 0.1) * photons) / photons - 0.1)


def impulse(images: Pixels, share: float, rng: Generator) -> Pixels:
    """A share of the pixels is black or white."""
    drawn = rng.random(images.shape)
    return np.where(drawn < share, drawn < share / 2, images)


def speckle(images: Pixels, deviation: float, rng: Generator) -> Pixels:
    """Noise in proportion to the ink."""
    return images * (1 + deviation * rng.standard_normal(images.shape))


def motion(images: Pixels, pixels: float, rng: Generator) -> Pixels:
    """The camera moved so far, in one direction."""
    angle = _each(images, rng, 0, np.pi)
    ways = np.linspace(-pixels / 2, pixels / 2, 7)
    seen = [_sample(images, ROWS + way * np.sin(angle), COLUMNS + way * np.cos(angle)) for way in ways]
    return np.asarray(np.mean(seen, axis=0))


def glass(images: Pixels, pixels: float, rng: Generator) -> Pixels:
    """Every pixel comes from a neighbour, at a distance of this standard deviation on each axis."""
    down, right = (rng.standard_normal((2, *images.shape)) * pixels).round()
    return _sample(images, ROWS + down, COLUMNS + right)


def pixelate(images: Pixels, blocks: float, _rng: Generator) -> Pixels:
    """So many blocks on each axis, each of one grey."""
    block = np.arange(SIDE) * int(blocks) // SIDE
    alike = (block[:, None] == block).astype(np.float32)
    mean = alike / alike.sum(axis=1)
    return np.asarray(mean.T @ images @ mean)


def dead_columns(images: Pixels, count: float, rng: Generator) -> Pixels:
    """So many columns are black or white from top to bottom."""
    dead = rng.random((len(images), 1, SIDE)).argsort(axis=2) < count
    return np.where(dead, rng.integers(0, 2, dead.shape), images)


def holes(images: Pixels, count: float, rng: Generator) -> Pixels:
    """Round pieces of the paper, 3 to 5 pixels wide, are torn out where digits are."""
    for _ in range(int(count)):
        row, column = _each(images, rng, 5, 23), _each(images, rng, 5, 23)
        torn = np.hypot(ROWS - row, COLUMNS - column) < _each(images, rng, 1.5, 2.5)
        images = np.where(torn, 0, images)
    return images


def ruled_lines(images: Pixels, level: float, rng: Generator) -> Pixels:
    """Paper with a line of this brightness every 6 to 9 pixels."""
    spacing, phase = rng.integers(6, 10, (len(images), 1, 1)), rng.integers(0, 9, (len(images), 1, 1))
    return np.asarray(np.maximum(images, level * ((ROWS + phase) % spacing == 0)))


def strike_through(images: Pixels, count: float, rng: Generator) -> Pixels:
    """So many dotted lines run through the digit."""
    for _ in range(int(count)):
        angle = _each(images, rng, -0.7, 0.7)
        down, right = ROWS - _each(images, rng, 9, 18), COLUMNS - MIDDLE
        across, along = down * np.cos(angle) - right * np.sin(angle), right * np.cos(angle) + down * np.sin(angle)
        images = np.maximum(images, (1.1 - abs(across)).clip(0, 1) * (along % 4 < 2))
    return images


def zigzag(images: Pixels, count: float, rng: Generator) -> Pixels:
    """So many thin zigzag lines from the left to the right."""
    for _ in range(int(count)):
        teeth = abs((COLUMNS / _each(images, rng, 6, 10) + _each(images, rng, 0, 1)) % 1 - 0.5)  # 0 to 0.5
        line = _each(images, rng, 5, 22) + (teeth - 0.25) * _each(images, rng, 10, 16)
        images = np.maximum(images, (1.3 - abs(ROWS - line)).clip(0, 1) * 0.8)
    return images


def gamma(images: Pixels, power: float, rng: Generator) -> Pixels:
    """Greys to this power, or to its inverse."""
    return images ** np.where(_each(images, rng, 0, 1) < 0.5, power, 1 / power)


def posterise(images: Pixels, levels: float, rng: Generator) -> Pixels:
    """So many greys are left; where the limits lie varies."""
    return np.floor(images * (levels - 1) + _each(images, rng, 0.2, 0.8)) / (levels - 1)


def solarise(images: Pixels, brightest: float, _rng: Generator) -> Pixels:
    """What would be brighter than this turns dark again, so that strokes become hollow."""
    return (brightest - abs(images - brightest)) / brightest


def fog(images: Pixels, density: float, rng: Generator) -> Pixels:
    """Clouds of every size, a plasma fractal, before the whole."""
    cloud = sum(_grid(images, rng, 2**octave + 1) / 2**octave for octave in range(1, 5))
    return (images + density * _stretched(cloud)) / (1 + density)


def stripe(images: Pixels, width: float, rng: Generator) -> Pixels:
    """A band across or down the middle is inverted."""
    along = np.where(_each(images, rng, 0, 1) < 0.5, ROWS, COLUMNS)
    return np.where(abs(along - _each(images, rng, 10, 17)) < width / 2, 1 - images, images)


def checker(images: Pixels, level: float, rng: Generator) -> Pixels:
    """A chequerboard with squares of 2 to 5 pixels lies behind the ink."""
    size, phase = rng.integers(2, 6, (len(images), 1, 1)), rng.integers(0, 5, (len(images), 1, 1))
    return np.asarray(np.maximum(images, level * (((ROWS + phase) // size + (COLUMNS + phase) // size) % 2)))


def spatter(images: Pixels, share: float, rng: Generator) -> Pixels:
    """Drops of grey cover this share of the picture."""
    blots = _blurred(rng.standard_normal(images.shape))
    edge = np.quantile(blots, 1 - share, axis=(1, 2), keepdims=True)
    return np.where(blots > edge, _each(images, rng, 0.4, 1), images)


def perspective(images: Pixels, tilt: float, rng: Generator) -> Pixels:
    """The paper is seen from a side: 1 would bring its near edge to the eye."""
    angle = _each(images, rng, 0, 2 * np.pi)
    down, right = ROWS - MIDDLE, COLUMNS - MIDDLE
    nearness = 1 + tilt * (down * np.sin(angle) + right * np.cos(angle)) / MIDDLE
    return _sample(images, MIDDLE + down / nearness, MIDDLE + right / nearness)


def ripple(images: Pixels, pixels: float, rng: Generator) -> Pixels:
    """Seen through water: waves of 7 to 10 pixels that move ink so far."""
    rate = 2 * np.pi / _each(images, rng, 7, 10)
    down = pixels * np.sin(COLUMNS * rate + _each(images, rng, 0, 2 * np.pi))
    right = pixels * np.sin(ROWS * rate + _each(images, rng, 0, 2 * np.pi))
    return _sample(images, ROWS + down, COLUMNS + right)


def jpeg(images: Pixels, quality: float, _rng: Generator) -> Pixels:
    """Through JPEG of this quality and back."""
    return np.stack([_through_jpeg(image, int(quality)) for image in (images * 255).round().astype(np.uint8)]) / 255


FAMILIES: dict[str, Family] = {
    # noise
    "shot": Family(shot, (40, 20, 10)),
    "impulse": Family(impulse, (0.05, 0.12, 0.2)),
    "speckle": Family(speckle, (0.35, 0.6, 0.9)),
    # blur
    "motion": Family(motion, (3, 5, 7)),
    "glass": Family(glass, (0.5, 0.8, 1.1)),
    "pixelate": Family(pixelate, (14, 11, 9)),
    # occlusion
    "dead_columns": Family(dead_columns, (2, 4, 6)),
    "holes": Family(holes, (2, 4, 6)),
    # lines
    "ruled_lines": Family(ruled_lines, (0.4, 0.7, 1)),
    "strike_through": Family(strike_through, (1, 2, 3)),
    "zigzag": Family(zigzag, (1, 2, 3)),
    # contrast
    "gamma": Family(gamma, (2, 4, 6)),
    "posterise": Family(posterise, (4, 3, 2)),
    "solarise": Family(solarise, (0.8, 0.65, 0.5)),
    # background
    "fog": Family(fog, (0.5, 0.8, 1.1)),
    "stripe": Family(stripe, (4, 6, 8)),
    "checker": Family(checker, (0.25, 0.4, 0.55)),
    "spatter": Family(spatter, (0.04, 0.08, 0.12)),
    # geometry
    "perspective": Family(perspective, (0.2, 0.35, 0.5)),
    "ripple": Family(ripple, (0.7, 1.1, 1.5)),
    # compression
    "jpeg": Family(jpeg, (25, 12, 6)),
}


def _each(images: Pixels, rng: Generator, low: float, high: float) -> Pixels:
    """A number for each image: float32[N, 1, 1]."""
    return rng.uniform(low, high, (len(images), 1, 1)).astype(np.float32)


def _sample(images: Pixels, rows: Pixels, columns: Pixels) -> Pixels:
    """Images at real coordinates float[N, 28, 28], bilinear, zero beyond the border."""
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    rows, columns = ((axis + 1).clip(0, SIDE + 0.999) for axis in np.broadcast_arrays(rows, columns))
    top, left = rows.astype(np.int32), columns.astype(np.int32)
    down, right = rows - top, columns - left
    which = np.arange(len(images))[:, None, None]
    upper = padded[which, top, left] * (1 - right) + padded[which, top, left + 1] * right
    lower = padded[which, top + 1, left] * (1 - right) + padded[which, top + 1, left + 1] * right
    return np.asarray(upper * (1 - down) + lower * down)


def _grid(images: Pixels, rng: Generator, points: int) -> Pixels:
    """Random greys at points x points, and straight lines between them: float[N, 28, 28]."""
    place = np.linspace(0, points - 1, SIDE)[:, None]
    weights = (1 - abs(place - np.arange(points))).clip(0, 1)
    return np.asarray(weights @ rng.random((len(images), points, points)) @ weights.T)


def _stretched(images: Pixels) -> Pixels:
    """Each image from 0 to 1."""
    low, high = images.min(axis=(1, 2), keepdims=True), images.max(axis=(1, 2), keepdims=True)
    return np.asarray((images - low) / (high - low))


def _blurred(images: Pixels) -> Pixels:
    """The mean of 3x3 pixels, twice, round the edges."""
    for axis in (1, 2, 1, 2):
        images = (np.roll(images, 1, axis) + images + np.roll(images, -1, axis)) / 3
    return images


def _through_jpeg(image: Images, quality: int) -> Images:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))
