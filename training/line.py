"""The line reader: it reads several digits at once, also where they touch, and nobody says where one ends.

Reads 90.00 % of 2,000 lines composed of MNIST's test images wholly rightly (seed 0 alone; 87.55 % of as many of the
validation images) with 236,124 weights. Cost: 34 epochs of 16,384 lines, 41 minutes on both cores of a shared AMD EPYC
in bfloat16.

    python -m training line --seed 0
"""

from collections.abc import Iterator
from functools import partial
from itertools import chain
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn.functional import ctc_loss
from torch.utils.data import DataLoader

from models import ctc
from training import lines, loop
from training.data import Examples, standardise
from training.lines import NOTHING, Batch, Composition, Lines
from training.options import Options
from training.recipe import Recipe
from training.run import Run

CHOOSING = 500  # validation lines, read after each epoch
VALIDATION = 1  # seed of their composition


class LineRecipe(Recipe):
    """Hyper-parameters of the line reader."""

    lines: PositiveInt = Field(description="composed for each epoch")
    composition: Composition = Composition()

    def smoke(self) -> "LineRecipe":
        """The same run in seconds, to see that it works."""
        return super().smoke().model_copy(update={"lines": 512})  # type: ignore[return-value]


RECIPE = LineRecipe(
    name="line",
    network="crnn",
    epochs=34,
    lines=16_384,
    batch_size=64,
    optimizer="adamw",
    peak_rate=4e-3,
    warm_up=0.1,
    weight_decay=0.01,
    clip_norm=2.0,
    averaging=0.999,
    floor=0.85,
)


def main(options: Options, recipe: LineRecipe = RECIPE) -> Run:
    """Trains the reader, or continues the run that was begun."""
    return loop.train(recipe, options, LinePupil)


class LinePupil(loop.Pupil):
    """Learns from lines that are composed as they are needed."""

    recipe: LineRecipe

    @property
    def images_per_epoch(self) -> int:
        """Lines, in whole batches."""
        return len(self._lines(0)) * self.recipe.batch_size * Lines.of

    def reaches(self, validation: Examples) -> float:
        """Share of validation lines, without strange characters, that the averaged weights read wholly rightly."""
        chosen = lines.compose_whole(validation, self.recipe.composition.plain, CHOOSING, VALIDATION)
        return float(read_rightly(self.state.averaged.module, chosen).double().mean())

    def _lines(self, epoch: int) -> Lines:
        batches = self.recipe.lines // self.recipe.batch_size
        return Lines(self._training, self.recipe.composition, (self._seed, 0, epoch), batches, self.recipe.batch_size)

    def _batches(self, epoch: int, generator: torch.Generator) -> Iterator[tuple[Tensor, loop.Loss]]:
        """Standardised lines, and what a batch's logits cost. One process beside this one composes them."""
        rank, processes = self._fabric.global_rank, self._fabric.world_size
        for batch in chain.from_iterable(DataLoader(self._lines(epoch), batch_size=None, num_workers=1)):
            share = take(batch, rank, processes)
            yield standardise(share.lines).to(self._fabric.device), partial(cost, share)


def take(batch: Batch, rank: int, processes: int) -> Batch:
    """Every so-manieth line of a batch, from one on."""
    digits = torch.split(batch.digits, batch.lengths.tolist())[rank::processes]
    return Batch(batch.lines[rank::processes], torch.cat(digits), batch.lengths[rank::processes])


def cost(batch: Batch, logits: Tensor) -> Tensor:
    """How improbable what the lines say is, over all ways to say it, in nats for each digit."""
    answers = logits.log_softmax(dim=2).transpose(0, 1)
    steps = torch.full((len(batch.lengths),), len(answers))
    return ctc_loss(answers, batch.digits, steps, batch.lengths, blank=NOTHING, zero_infinity=True)


def read_rightly(network: nn.Module, batch: Batch) -> Tensor:
    """Which lines are read without any mistake: bool[N]."""
    network.eval()
    with torch.inference_mode():
        logits = torch.cat([network(standardise(part)) for part in torch.split(batch.lines, 50)])
    return tell(logits.numpy(), batch).right


class Told(NamedTuple):
    """What was read: which lines rightly, bool[N]; and of those with as many characters as they have, each character's

    logits float32[D, 12] where it was seen most clearly, and what it is, int64[D].
    """

    right: Tensor
    logits: Tensor
    labels: Tensor


def tell(logits: NDArray[np.float32], batch: Batch) -> Told:
    """Compares logits float32[N, T, 12] with what the lines say."""
    right, clearest, labels = [], [], []
    for answers, best, said in zip(
        logits, ctc.best(logits), torch.split(batch.digits, batch.lengths.tolist()), strict=True
    ):
        read = ctc.spell(best)
        right.append([seen.label for seen in read] == said.tolist())
        if len(read) == len(said):
            clearest += [answers[clearest_of(answers, seen)] for seen in read]
            labels.append(said)
    return Told(
        torch.tensor(right),
        torch.from_numpy(np.array(clearest, np.float32).reshape(-1, logits.shape[2])),
        torch.cat([*labels, torch.empty(0, dtype=torch.int64)]),
    )


def clearest_of(answers: NDArray[np.float32], seen: ctc.Seen) -> int:
    """Which of the answers float32[T, 12] that say a character says so most surely."""
    sure = torch.from_numpy(answers[seen.first : seen.last]).log_softmax(dim=1)
    return seen.first + int(sure[:, seen.label].argmax())
