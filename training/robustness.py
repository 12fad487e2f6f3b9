"""How far the inputs of a gate may err before its output flips: rays from the corners of the truth table.

Knows a function from inputs to logits, whatever network is behind it.
"""

import math
from collections.abc import Callable

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

CORNERS = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
REPORT = "tolerance.json"
RAYS = 64  # multiples of 5.6 degrees, so the axes and the diagonals are among them
FARTHEST, STEPS = 1.0, 100  # rays are followed to the next corner, in hundredths


class Spread(BaseModel):
    """One figure: of the seed that is kept, and over all seeds."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kept: float
    mean: float
    std: float
    min: float
    max: float


class Tolerance(BaseModel):
    """What a thousand seeds of a gate tolerate. Lengths are in units of an input; 1.0 means "to the next corner"."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    seeds: int
    success_rate: float
    distance: Spread
    noise_one_input: Spread
    noise_both_inputs: Spread


def measure(logits: Callable[[Tensor], Tensor], truth: tuple[int, ...]) -> Tolerance:
    """Measures stacked networks: `logits` takes float32[N, 2] and gives float32[seeds, N].

    `distance` is Euclidean, from the nearest corner to the decision surface; `noise_both_inputs` is the largest error
    that both inputs may have at once, `noise_one_input` the largest of one while the other is exact.
    """
    signs = torch.tensor(truth) * 2.0 - 1
    right = (signs * logits(CORNERS) > 0).all(dim=1)
    angles = torch.arange(RAYS) * (2 * math.pi / RAYS)
    circle = torch.stack([angles.cos(), angles.sin()], dim=1)
    square = circle / circle.abs().amax(dim=1, keepdim=True)
    cross = circle[:: RAYS // 4]
    return Tolerance(
        seeds=len(right),
        success_rate=float(right.float().mean()),
        distance=_spread(reach(logits, signs, circle)),
        noise_one_input=_spread(reach(logits, signs, cross)),
        noise_both_inputs=_spread(reach(logits, signs, square)),
    )


def describe(tolerance: Tolerance) -> str:
    """The figures, one a line."""
    lines = [f"{tolerance.success_rate:.1%} of {tolerance.seeds:,} seeds solve it"]
    for name in ("distance", "noise_one_input", "noise_both_inputs"):
        spread: Spread = getattr(tolerance, name)
        figures = f"kept {spread.kept:.4f}  mean {spread.mean:.4f}  std {spread.std:.4f}  min {spread.min:.4f}"
        lines.append(f"  {name:<18} {figures}")
    return "\n".join(lines)


def reach(logits: Callable[[Tensor], Tensor], signs: Tensor, directions: Tensor) -> Tensor:
    """How far from every corner, in every direction float32[D, 2], the output stays right: float32[seeds]."""
    nearest = []
    for corner, sign in zip(CORNERS, signs, strict=True):
        for direction in directions:
            lengths = torch.linspace(0, FARTHEST, STEPS + 1)
            nearest.append(_first_crossing(sign * logits(corner + lengths.unsqueeze(1) * direction), lengths))
    return torch.stack(nearest).amin(dim=0)


def _first_crossing(outputs: Tensor, lengths: Tensor) -> Tensor:
    """Where float32[seeds, steps] first falls to zero, by a straight line between steps: float32[seeds]."""
    wrong = outputs <= 0
    after = wrong.int().argmax(dim=1)
    before = (after - 1).clamp(min=0)
    high, low = outputs.gather(1, before.unsqueeze(1)).squeeze(1), outputs.gather(1, after.unsqueeze(1)).squeeze(1)
    share = torch.where(after > before, high / (high - low), torch.zeros(()))
    crossing = lengths[before] + share * (lengths[after] - lengths[before])
    return torch.where(wrong.any(dim=1), crossing, lengths[-1])


def _spread(values: Tensor) -> Spread:
    figures = {"kept": values[0], "mean": values.mean(), "min": values.min(), "max": values.max()}
    figures["std"] = values.std(correction=0)
    return Spread.model_validate({name: round(float(value), 4) for name, value in figures.items()})
