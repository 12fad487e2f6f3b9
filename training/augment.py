"""Moves ink about as hands do: random affine maps and elastic waves, a whole batch in one resampling.

Knows tensors and one torch.Generator, so that the same seed bends the same strokes.
"""

import math

import torch
from pydantic import BaseModel, ConfigDict, NonNegativeFloat
from torch import Tensor
from torch.nn.functional import grid_sample

KNOTS = 6  # elastic waves are drawn on 6x6 knots, 5.6 pixels apart: a stroke bends, its edge does not fray


class Augmentation(BaseModel):
    """How far images are bent. Each bound is the largest that is drawn, uniformly, with either sign."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    rotation_degrees: NonNegativeFloat = 12.0
    shear: NonNegativeFloat = 0.2
    scale: NonNegativeFloat = 0.15  # per axis, as a natural logarithm
    shift_pixels: NonNegativeFloat = 2.0
    elastic_pixels: NonNegativeFloat = 1.0  # standard deviation of a knot's displacement


def bend(images: Tensor, augmentation: Augmentation, generator: torch.Generator) -> Tensor:
    """Resamples float32[N, 28, 28] of 0..1 along random maps, zeros beyond the border; shape and range are kept."""
    count, side, _ = images.shape
    grid = _affine_grid(count, side, augmentation, generator) + _elastic_grid(count, side, augmentation, generator)
    bent: Tensor = grid_sample(images.unsqueeze(1), grid, mode="bilinear", align_corners=False)
    return bent.squeeze(1)


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
