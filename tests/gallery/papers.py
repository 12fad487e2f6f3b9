"""What the gallery's pictures are taken of: papers, boards, light and cameras. Knows ink as an array, and no digits."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.gallery.ink import Generator, Ink

Scene = NDArray[np.float64]  # float64[H, W, 3] of 0 to 255

WHITE, CREAM, YELLOW, GREY = (246, 246, 244), (238, 228, 205), (250, 238, 150), (175, 175, 178)
BLACKBOARD, GREENBOARD = (38, 40, 42), (34, 72, 56)
BLACK, BLUE, RED, GREEN, PENCIL, CHALK = (28, 28, 30), (30, 50, 150), (190, 35, 45), (20, 110, 60), (105, 105, 110), (
    230,
    232,
    225,
)  # fmt: skip


def sheet(height: int, width: int, colour: tuple[int, int, int]) -> Scene:
    """Even paper."""
    return np.full((height, width, 3), colour, float)


def lay(paper: Scene, ink: Ink, colour: tuple[int, int, int], top: int, left: int) -> Scene:
    """Puts ink on paper; what reaches over its edge is an error of the test."""
    height, width = ink.shape
    result = paper.copy()
    spot = result[top : top + height, left : left + width]
    spot += ink[..., None] * (np.array(colour) - spot)
    return result


def around(ink: Ink, colour: tuple[int, int, int], pen: tuple[int, int, int], margin: float = 0.5) -> Scene:
    """Ink in the middle of even paper, with a margin of so many times its longer side all around."""
    room = round(max(ink.shape) * margin)
    paper = sheet(ink.shape[0] + 2 * room, ink.shape[1] + 2 * room, colour)
    return lay(paper, ink, pen, room, room)


def grain(scene: Scene, rng: Generator, deviation: float) -> Scene:
    """Noise of a sensor, each pixel on its own."""
    return scene + rng.normal(0, deviation, scene.shape[:2])[..., None]


def fibres(scene: Scene, rng: Generator, depth: float = 10) -> Scene:
    """Rough paper: spots of 4 pixels, this many grey levels deep."""
    height, width = scene.shape[:2]
    coarse = rng.normal(0, depth, (height // 4 + 1, width // 4 + 1)).astype(np.float32)
    spots = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
    return scene + spots[..., None]


def shade(scene: Scene, depth: float, angle: float = 0) -> Scene:
    """Light from one side: the other is darker by this part."""
    y, x = np.mgrid[-1 : 1 : scene.shape[0] * 1j, -1 : 1 : scene.shape[1] * 1j]
    slope = (x * np.cos(np.deg2rad(angle)) + y * np.sin(np.deg2rad(angle))) / 1.5
    return scene * (1 - depth * (slope.clip(-1, 1) + 1) / 2)[..., None]


def vignette(scene: Scene, depth: float) -> Scene:
    """Dark corners, as a lens makes them."""
    y, x = np.mgrid[-1 : 1 : scene.shape[0] * 1j, -1 : 1 : scene.shape[1] * 1j]
    return scene * (1 - depth * (y * y + x * x) / 2)[..., None]


def soft_shadow(scene: Scene, depth: float = 0.35) -> Scene:
    """The shadow of a hand over a corner, with a soft edge."""
    y, x = np.mgrid[0 : 1 : scene.shape[0] * 1j, 0 : 1 : scene.shape[1] * 1j]
    return scene * (1 - depth / (1 + np.exp((x + y - 0.7) * 12)))[..., None]


def lamp(scene: Scene, height: float = 0.35) -> Scene:
    """A bright spot of light."""
    y, x = np.mgrid[-1 : 1 : scene.shape[0] * 1j, -1 : 1 : scene.shape[1] * 1j]
    return scene * (0.7 + height * np.exp(-((x - 0.4) ** 2 + (y + 0.3) ** 2)))[..., None]


def margin_line(scene: Scene) -> Scene:
    """A red line down the left, as exercise books have."""
    result = scene.copy()
    at = round(scene.shape[1] * 0.06)
    result[:, at : at + max(1, scene.shape[1] // 100)] = (215, 90, 90)
    return result


def framed(scene: Scene) -> Scene:
    """A box of a form around."""
    result = scene.copy()
    at, width = round(min(scene.shape[:2]) * 0.04), max(2, min(scene.shape[:2]) // 60)
    for edge in (
        np.s_[at : at + width],
        np.s_[-at - width : -at],
        np.s_[:, at : at + width],
        np.s_[:, -at - width : -at],
    ):
        result[edge] = (90, 90, 95)
    return result


def specks(scene: Scene, rng: Generator, count: int = 12) -> Scene:
    """Dust."""
    result = scene.copy()
    side = max(1, min(scene.shape[:2]) // 100)
    for _ in range(count):
        top, left = rng.integers(0, scene.shape[0] - side), rng.integers(0, scene.shape[1] - side)
        result[top : top + side, left : left + side] = 110
    return result


def smear(scene: Scene, rng: Generator) -> Scene:
    """Chalk that was wiped: faint light streaks."""
    streaks = rng.normal(0, 1, (scene.shape[0] // 12 + 1, 3)).astype(np.float32)
    size = scene.shape[1], scene.shape[0]
    return scene + 7 * np.asarray(Image.fromarray(streaks).resize(size, Image.Resampling.BICUBIC))[..., None]


def picture(scene: Scene) -> Image.Image:
    """What a camera stores."""
    return Image.fromarray(np.rint(scene.clip(0, 255)).astype(np.uint8))


def encoded(stored: Image.Image, kind: str, **options: object) -> bytes:
    """The bytes of a file."""
    file = io.BytesIO()
    stored.save(file, kind, **options)
    return file.getvalue()
