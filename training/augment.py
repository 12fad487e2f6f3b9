"""Moves ink about as hands do, and changes grey levels as pens, paper and cameras do; a whole batch at a time.

`bend`: random affine maps and elastic waves, in one resampling. `soil`: width of the stroke, blur, paper that is not
even, lost contrast, grain, patches. Knows tensors and one torch.Generator, so that the same seed does the same.
"""

import math
from typing import Annotated

import torch
from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample, interpolate, max_pool2d

PAPER = 4  # background is drawn on 4x4 points, 9 pixels apart
KNOTS = 6  # elastic waves are drawn on 6x6 knots, 5.6 pixels apart: a stroke bends, its edge does not fray


class Augmentation(BaseModel):
    """How far images are bent. Each bound is the largest that is drawn, uniformly, with either sign."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    rotation_degrees: NonNegativeFloat = 12.0
    shear: NonNegativeFloat = 0.2
    scale: NonNegativeFloat = 0.15  # per axis, as a natural logarithm
    shift_pixels: NonNegativeFloat = 2.0
    elastic_pixels: NonNegativeFloat = 1.0  # standard deviation of a knot's displacement


class Soiling(BaseModel):
    """How far grey levels change. Each kind strikes `often` of the images, to an extent drawn up to its bound."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    often: Annotated[float, Field(ge=0, le=1)] = 0.2
    stroke: Annotated[float, Field(ge=0, le=1)] = 0.8  # 1: a pixel wider, or a pixel thinner, on each side
    blur: Annotated[float, Field(ge=0, le=1)] = 0.9  # 1: the mean of 5x5 pixels, centre first
    paper: Annotated[float, Field(ge=0, le=1)] = 0.6  # brightness of the background
    fade: Annotated[float, Field(ge=0, le=1)] = 0.7  # contrast that is lost
    grain: NonNegativeFloat = 0.3  # standard deviation of a pixel
    patch_pixels: NonNegativeFloat = 5.0  # half the side of a grey rectangle


def bend(images: Tensor, augmentation: Augmentation, generator: torch.Generator, hands: Tensor | None = None) -> Tensor:
    """Resamples float32[N, 28, 28] of 0..1 along random maps, zeros beyond the border; shape and range are kept.

    `hands`, float32[N, 2, 2], are maps from where a pixel is put to where it is taken from, (x, y) from the middle,
    that come first: what the images of one hand have in common.
    """
    count, side, _ = images.shape
    grid = _affine_grid(count, side, augmentation, generator) + _elastic_grid(count, side, augmentation, generator)
    if hands is not None:
        grid = torch.einsum("nij,nhwj->nhwi", hands, grid)
    bent: Tensor = grid_sample(images.unsqueeze(1), grid, mode="bilinear", align_corners=False)
    return bent.squeeze(1)


def soil(images: Tensor, soiling: Soiling, generator: torch.Generator) -> Tensor:
    """Changes grey levels of float32[N, H, W] of 0..1, each image in its own way; shape and range are kept."""
    count, *sides = images.shape

    def extent(bound: float) -> Tensor:
        drawn, struck = torch.rand((2, count, 1, 1, 1), generator=generator, device=generator.device)
        return torch.where(struck < soiling.often, bound * drawn, 0.0)

    ink = images.unsqueeze(1)
    ink = torch.lerp(ink, max_pool2d(ink, 3, 1, 1), extent(soiling.stroke))
    ink = torch.lerp(
        ink, 1 - max_pool2d(1 - ink, 3, 1, 1), extent(soiling.stroke) / 2
    )  # thinner by less: ink must stay
    ink = torch.lerp(ink, _blurred(ink), extent(soiling.blur))
    ink = ink * (1 - extent(soiling.fade))
    ink = ink + (1 - ink) * _paper(count, sides, generator) * extent(soiling.paper)
    ink = ink + _grain(count, sides, generator) * extent(soiling.grain)
    inside, level = _patches(count, sides, soiling.patch_pixels, generator)
    ink = torch.where(inside & (extent(1.0) > 0), level, ink)
    return ink.clamp(0, 1).squeeze(1)


def _blurred(images: Tensor) -> Tensor:
    """The mean of 3x3 pixels, twice."""
    for _ in range(2):
        images = avg_pool2d(images, 3, 1, 1)
    return images


def _paper(count: int, sides: list[int], generator: torch.Generator) -> Tensor:
    """Even, or of light and shade: float32[N, 1, H, W] of 0..1."""
    points = torch.rand((count, 1, PAPER, PAPER), generator=generator, device=generator.device)
    shade = interpolate(points, size=sides, mode="bilinear", align_corners=True)
    return torch.lerp(
        torch.ones_like(shade), shade, torch.rand((count, 1, 1, 1), generator=generator, device=generator.device)
    )


def _grain(count: int, sides: list[int], generator: torch.Generator) -> Tensor:
    """Noise of unit variance, from white to soft: float32[N, 1, H, W]."""
    white = torch.randn((count, 1, *sides), generator=generator, device=generator.device)
    soft = 3 * avg_pool2d(white, 3, 1, 1)
    return torch.lerp(white, soft, torch.rand((count, 1, 1, 1), generator=generator, device=generator.device))


def _patches(count: int, sides: list[int], half: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Where one rectangle of each image lies, bool[N, 1, H, W], and its grey level, float32[N, 1, 1, 1]."""
    x, y, wide, high, level = torch.rand((5, count, 1, 1, 1), generator=generator, device=generator.device)
    rows, columns = (torch.arange(side, device=generator.device, dtype=torch.float32) for side in sides)
    across = (columns.view(1, 1, 1, -1) - x * sides[1]).abs() < wide * half
    down = (rows.view(1, 1, -1, 1) - y * sides[0]).abs() < high * half
    return across & down, level


def _affine_grid(count: int, side: int, augmentation: Augmentation, generator: torch.Generator) -> Tensor:
    """Where each pixel is taken from, in -1..1: float32[N, side, side, 2]."""
    angle, shear, wide, high, right, down = _uniform((6, count, 1, 1), generator)
    angle = angle * math.radians(augmentation.rotation_degrees)
    shear = shear * augmentation.shear
    wide, high = (wide * augmentation.scale).exp(), (high * augmentation.scale).exp()
    reach = augmentation.shift_pixels * 2 / side
    axis = (torch.arange(side, device=generator.device) + 0.5) * (2 / side) - 1
    x, y = axis.view(1, 1, side), axis.view(1, side, 1)
    slanted = (x + shear * y) * wide
    y = y * high
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([cos * slanted - sin * y + right * reach, sin * slanted + cos * y + down * reach], dim=-1)


def _elastic_grid(count: int, side: int, augmentation: Augmentation, generator: torch.Generator) -> Tensor:
    """A smooth displacement of each pixel, in the units of the affine grid: float32[N, side, side, 2]."""
    knots = torch.randn((count, 2, KNOTS, KNOTS), generator=generator, device=generator.device)
    weights = _spline(side).to(generator.device)
    waves = weights @ (knots * (augmentation.elastic_pixels * 2 / side)) @ weights.T
    return waves.permute(0, 2, 3, 1)


def _spline(side: int) -> Tensor:
    """Weights of KNOTS Gaussian bumps at each of `side` pixels, unit variance kept: float32[side, KNOTS]."""
    pixels = (torch.arange(side) + 0.5) / side * (KNOTS - 1)
    bumps = torch.exp(-0.5 * ((pixels.unsqueeze(1) - torch.arange(KNOTS)) / 0.7).square())
    return bumps / bumps.square().sum(dim=1, keepdim=True).sqrt()


def _uniform(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator, device=generator.device) * 2 - 1
