"""Teaches a reader that can read already what is no digit. What it reads stays as it is, to the bit.

Only the detector (models/networks/detector.py) learns, from what the reader's features say of digits, clean and soiled,
and of as many outliers made of them. To teach the whole reader at once was tried: it then took spoilt digits for
outliers, and read 81 % of them instead of 94 %.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from models.networks import Reader, build
from models.networks.detector import Detector
from training import outliers
from training.data import MEAN, STD, Examples
from training.lessons import view
from training.recipe import Recipe

SHOWN = 12_000  # digits of each kind, clean and soiled
EPOCHS, BATCH, PEAK_RATE, DECAY = 20, 512, 0.01, 1e-4
AT_ONCE = 500


def add(learnt: nn.Module, recipe: Recipe, training: Examples, seed: int) -> nn.Module:
    """The reader that has learnt, with a detector of the recipe's width. On CPU it takes half a minute."""
    network = cast(Reader, build(recipe.network, recipe.finished).eval())
    network.load_state_dict(learnt.state_dict(), strict=False)
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    digits = _digits(training, recipe, generator)
    strange = torch.cat([outliers.draw(batch, generator) for batch in torch.split(digits, AT_ONCE)])
    seen = torch.cat([_see(network, digits), _see(network, strange)])
    targets = torch.cat([torch.ones(len(digits), 1), torch.zeros(len(strange), 1)])
    mean, spread = seen.mean(dim=0), seen.std(dim=0) + 1e-3  # of a feature that never changes
    detector = cast(Detector, network.detector)
    _learn(detector, (seen - mean) / spread, targets, generator)
    detector.standardise(mean, spread)
    return network


def _digits(training: Examples, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """Clean and soiled views, shuffled: float32[N, 28, 28] of 0..1."""
    order = torch.randperm(len(training), generator=generator)
    halves = ((order[:SHOWN], None), (order[-SHOWN:], recipe.soiling))
    shown = torch.cat(
        [
            view(training.images[rows], recipe.augmentation, soiling, generator)
            for half, soiling in halves
            for rows in torch.split(half, AT_ONCE)
        ]
    )
    return shown[torch.randperm(len(shown), generator=generator)]


def _see(network: Reader, images: Tensor) -> Tensor:
    with torch.no_grad():
        return torch.cat([network.see((batch - MEAN) / STD) for batch in torch.split(images, AT_ONCE)])


def _learn(detector: Detector, seen: Tensor, targets: Tensor, generator: torch.Generator) -> None:
    optimizer = torch.optim.AdamW(detector.parameters(), lr=PEAK_RATE, weight_decay=DECAY)
    steps = EPOCHS * -(-len(seen) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, total_steps=steps)
    for _ in range(EPOCHS):
        for rows in torch.split(torch.randperm(len(seen), generator=generator), BATCH):
            optimizer.zero_grad()
            torch.autograd.backward(binary_cross_entropy_with_logits(detector(seen[rows]), targets[rows]))
            optimizer.step()
            schedule.step()
