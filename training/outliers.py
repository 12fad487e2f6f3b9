"""Makes of digits what is no digit: halves that changed places, quarters of several, two at once, tangles, bare paper.

A whole batch at a time. Knows tensors and one torch.Generator. A detector that learns from outliers like these
(training/detector.py) notices others too (Hendrycks et al., arXiv:1812.04606): training/strangers.py measures on some
that are not made here.
"""

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from training.augment import Augmentation, Soiling, bend, soil

HALF = 14
TANGLED = Augmentation(rotation_degrees=180, shear=0.5, scale=0.3, shift_pixels=3, elastic_pixels=4)
BARE = Soiling(often=0.6, paper=1.0, grain=0.5, patch_pixels=8)


def draw(digits: Tensor, generator: torch.Generator) -> Tensor:
    """One outlier for each image of float32[N, 28, 28] of 0..1, a fifth of each kind; shape and range are kept."""
    others = _shuffled(digits, generator)
    kinds = (_exchanged, _quartered, _crowded, _tangled, _bare)
    parts = zip(kinds, digits.tensor_split(len(kinds)), others.tensor_split(len(kinds)), strict=True)
    return torch.cat([make(first, second, generator) for make, first, second in parts])


def illegible(digits: Tensor, generator: torch.Generator) -> Tensor:
    """A single character that is no digit for each image of float32[N, 28, 28]: of quarters, or tangled."""
    others = _shuffled(digits, generator)
    half = len(digits) // 2
    return torch.cat(
        [_quartered(digits[:half], others[:half], generator), _tangled(digits[half:], others[half:], generator)]
    )


def _exchanged(digits: Tensor, others: Tensor, _generator: torch.Generator) -> Tensor:
    """The right half of one digit at the left of another's left half, or the lower half above another's upper half."""
    beside = torch.cat([digits[:, :, HALF:], others[:, :, :HALF]], dim=2)
    above = torch.cat([digits[:, HALF:], others[:, :HALF]], dim=1)
    return torch.cat([beside[::2], above[1::2]])


def _quartered(digits: Tensor, _others: Tensor, generator: torch.Generator) -> Tensor:
    """Each quarter is another digit's, 3 to 6 pixels from where it would fit."""
    quarters = []
    for down, right in ((0, 0), (0, HALF), (HALF, 0), (HALF, HALF)):
        away = torch.randint(3, 7, (2,), generator=generator, device=generator.device)
        signs = torch.randint(2, (2,), generator=generator, device=generator.device) * 2 - 1
        moved = _shuffled(digits, generator).roll((away * signs).tolist(), (1, 2))
        quarters.append(moved[:, down : down + HALF, right : right + HALF])
    return torch.cat([torch.cat(quarters[:2], dim=2), torch.cat(quarters[2:], dim=2)], dim=1)


def _crowded(digits: Tensor, others: Tensor, generator: torch.Generator) -> Tensor:
    """Two digits, smaller and each on its own side."""
    return torch.maximum(_aside(digits, -1, generator), _aside(others, 1, generator))


def _aside(images: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """Narrower, by half to a fifth, and moved 4 to 8 pixels to the left (-1) or to the right (1)."""
    wide, away, high, down = torch.rand((4, len(images)), generator=generator, device=generator.device)
    wide, high, away = 0.5 + 0.3 * wide, 0.6 + 0.4 * high, side * (0.3 + 0.3 * away)
    none = torch.zeros_like(wide)
    maps = [torch.stack([1 / wide, none, -away / wide], dim=1), torch.stack([none, 1 / high, (down - 0.5) / 4], dim=1)]
    grid = affine_grid(torch.stack(maps, dim=1), [len(images), 1, 2 * HALF, 2 * HALF], align_corners=False)
    return grid_sample(images.unsqueeze(1), grid, align_corners=False).squeeze(1)


def _tangled(digits: Tensor, others: Tensor, generator: torch.Generator) -> Tensor:
    """Two digits one over the other, both bent beyond reading."""
    return torch.maximum(bend(digits, TANGLED, generator), bend(others, TANGLED, generator))


def _bare(digits: Tensor, _others: Tensor, generator: torch.Generator) -> Tensor:
    """Paper, grain and patches without ink."""
    return soil(torch.zeros_like(digits), BARE, generator)


def _shuffled(images: Tensor, generator: torch.Generator) -> Tensor:
    return images[torch.randperm(len(images), generator=generator, device=generator.device)]
