"""Lines of handwriting composed of single digits, anew for every batch: what the line reader learns from.

Digits of one hand share slant and size; they stand apart, touch, or both. Now and then one is no digit at all. Knows
images and seeds: which split they come from is the caller's word. The same seed composes the same lines.
"""

from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveInt
from torch import Tensor
from torch.nn.functional import pad
from torch.utils.data import Dataset

from models.ctc import NO_DIGIT
from training.augment import Augmentation, Soiling, bend, soil
from training.data import Examples
from training.outliers import illegible

HEIGHT, WIDTH = 32, 320  # of a line as it is served, its digits 20 pixels high
CANVAS = 36  # a digit of 28x28 pixels with room to be larger and slanted
INK, SOLID = 0.25, 0.5  # of 1: what has a place, and what must meet where digits touch
FAR = 10_000  # pixels: where a row without ink ends, or begins
NOTHING = 11  # the last class
EVEN = 8  # widths are whole multiples of it

Numbers = NDArray[np.int64]
Pixels = NDArray[np.float32]


class Composition(BaseModel):
    """How lines are composed. Bounds are the largest that are drawn, uniformly; shares are of lines or of digits."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    longest: PositiveInt = Field(10, description="digits of a line, from one on")
    touching: Annotated[float, Field(ge=0, le=1)] = Field(0.5, description="share of lines all of whose digits touch")
    mixed: Annotated[float, Field(ge=0, le=1)] = Field(0.2, description="share of lines of which half touch")
    overlap: int = Field(2, description="pixels by which touching digits overlap at most")
    gap: tuple[int, int] = Field((-1, 13), description="pixels between those that do not touch")
    slant: NonNegativeFloat = 0.3
    size: tuple[float, float] = (0.72, 1.2)
    jitter: int = Field(2, description="pixels that a digit lies above or below its line, and the line the middle")
    illegible: Annotated[float, Field(ge=0, le=1)] = Field(0.02, description="share of digits that are none")
    whole: Annotated[float, Field(ge=0, le=1)] = Field(0.05, description="share of batches as wide as they are served")
    digits: Augmentation = Augmentation(
        rotation_degrees=6, shear=0.08, scale=0.07, shift_pixels=0, elastic_pixels=0.5
    )  # beside what the hand has done
    soiling: Soiling = Soiling(often=0.25, blur=0.6, paper=0.1, fade=0.4, grain=0.12, patch_pixels=1.5)

    @property
    def plain(self) -> "Composition":
        """The same, of digits alone."""
        return self.model_copy(update={"illegible": 0.0})


class Batch(NamedTuple):
    """Lines uint8[N, 32, W], light ink on dark; their digits one after another, int64; and how many each has."""

    lines: Tensor
    digits: Tensor
    lengths: Tensor


@dataclass(frozen=True)
class Lines(Dataset[list[Batch]]):
    """An epoch of lines. Each item is `of` batches, composed together so that lines of a batch are about as long."""

    examples: Examples
    composition: Composition
    seed: tuple[int, ...]
    batches: int
    batch_size: int
    of: int = 4

    def __len__(self) -> int:
        return self.batches // self.of

    def __getitem__(self, index: int) -> list[Batch]:
        """Composes `of` batches, in no order of length."""
        rng = np.random.default_rng([*self.seed, index])
        made = sorted(
            compose(self.examples, self.composition, rng, self.of * self.batch_size), key=lambda line: line[0].shape[1]
        )
        parts = [made[batch * self.batch_size : (batch + 1) * self.batch_size] for batch in rng.permutation(self.of)]
        return [collate(part, self.composition, rng) for part in parts]


def compose(
    examples: Examples, composition: Composition, rng: np.random.Generator, count: int
) -> list[tuple[Pixels, Numbers]]:
    """So many lines float32[32, W] of 0..1, clean, and what they say."""
    lengths = rng.integers(1, composition.longest + 1, count)
    chosen = torch.from_numpy(rng.integers(0, len(examples), int(lengths.sum())))
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    inks, labels = _write(examples, chosen, torch.from_numpy(lengths), composition, rng, generator)
    styles = rng.choice(3, count, p=[composition.touching, composition.mixed, _apart(composition)])
    ends = lengths.cumsum()
    lines = []
    for end, length, style in zip(ends, lengths, styles, strict=True):
        line, fitted = _set(inks[end - length : end], (True, None, False)[style], composition, rng)
        lines.append((line, labels[end - length : end][:fitted]))
    return lines


def collate(made: list[tuple[Pixels, Numbers]], composition: Composition, rng: np.random.Generator) -> Batch:
    """Puts lines side by side in one tensor, and spoils them."""
    room = max(line.shape[1] for line, _ in made) + EVEN
    width = WIDTH if rng.random() < composition.whole and room < WIDTH else -(-room // EVEN) * EVEN
    lines = torch.zeros((len(made), HEIGHT, width))
    for row, (line, _) in zip(lines, made, strict=True):
        left = int(rng.integers(0, min(20, width - line.shape[1] + 1)))
        row[:, left : left + line.shape[1]] = torch.from_numpy(line)
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    spoilt = soil(lines, composition.soiling, generator)
    return Batch(
        lines=(spoilt * 255).round().to(torch.uint8),
        digits=torch.from_numpy(np.concatenate([digits for _, digits in made])),
        lengths=torch.tensor([len(digits) for _, digits in made]),
    )


def compose_whole(examples: Examples, composition: Composition, count: int, seed: int) -> Batch:
    """So many lines, at most 50 composed at a time, each as wide as it is served."""
    rng = np.random.default_rng(seed)
    made = [
        collate(compose(examples, composition, rng, min(50, count - done)), composition, rng)
        for done in range(0, count, 50)
    ]
    return Batch(
        torch.cat([pad(batch.lines, (0, WIDTH - batch.lines.shape[2])) for batch in made]),
        torch.cat([batch.digits for batch in made]),
        torch.cat([batch.lengths for batch in made]),
    )


def _apart(composition: Composition) -> float:
    return 1 - composition.touching - composition.mixed


def _write(
    examples: Examples,
    chosen: Tensor,
    lengths: Tensor,
    composition: Composition,
    rng: np.random.Generator,
    generator: torch.Generator,
) -> tuple[Pixels, Numbers]:
    """The chosen digits as the hands of their lines write them, float32[D, 36, 36], and what they are, int64[D]."""
    room = (CANVAS - 28) // 2
    images, labels = examples.images[chosen].float() / 255, examples.labels[chosen].clone()
    spoilt = torch.from_numpy(rng.random(len(labels)) < composition.illegible)
    if int(spoilt.sum()) > 1:
        images[spoilt], labels[spoilt] = illegible(images[spoilt], generator), NO_DIGIT
    sizes = torch.from_numpy(rng.uniform(*composition.size, len(lengths)))
    slants = torch.from_numpy(rng.uniform(-composition.slant, composition.slant, len(lengths)))
    maps = torch.stack([torch.stack([1 / sizes, slants / sizes]), torch.stack([0 * sizes, 1 / sizes])])
    hands = maps.permute(2, 0, 1).float().repeat_interleave(lengths, dim=0)
    inks = bend(pad(images, (room, room, room, room)), composition.digits, generator, hands)
    return inks.numpy(), labels.numpy()


def _set(inks: Pixels, touching: bool | None, composition: Composition, rng: np.random.Generator) -> tuple[Pixels, int]:
    """Digits float32[D, 36, 36] from left to right on one line, float32[32, W], and how many it had room for.

    With touching None, each touches the one before or does not.
    """
    room = composition.jitter + 2
    line = np.zeros((CANVAS + 2 * room, CANVAS * len(inks) + composition.gap[1] * len(inks)), np.float32)
    edge, right, fitted = np.full(len(line), -FAR), 2, 0
    for ink in inks:
        columns = np.flatnonzero((ink > INK).any(axis=0))
        first, last = (int(columns[0]), int(columns[-1]) + 1) if columns.size else (0, 1)
        ink = ink[:, max(0, first - 1) : last + 1]  # with the faint edge of its strokes
        rows = slice(top := room + int(rng.integers(-composition.jitter, composition.jitter + 1)), top + CANVAS)
        starts, ends = _edges(ink)
        meets = rng.random() < 0.5 if touching is None else touching
        if right == 2:
            left = right
        elif meets and (near := int((edge[rows] - starts).max())) > 0:
            left = near - int(rng.integers(0, composition.overlap + 1)) * int(rng.random() < 0.5)
        else:
            left = right + int(rng.integers(composition.gap[0], composition.gap[1] + 1)) - 1
        left = max(0, left)
        if left + ink.shape[1] + EVEN > WIDTH:
            break
        fitted += 1
        place = line[rows, left : left + ink.shape[1]]
        np.maximum(place, ink, out=place)
        edge[rows] = np.maximum(edge[rows], ends + left)
        right = max(right, left + ink.shape[1] - 1)
    tall = np.flatnonzero((line > INK).any(axis=1))
    middle = (tall[0] + tall[-1] + 1) / 2 if tall.size else len(line) / 2
    moved = middle + rng.uniform(-composition.jitter, composition.jitter)
    start = int(np.clip(round(moved - HEIGHT / 2), 0, len(line) - HEIGHT))
    return line[start : start + HEIGHT, : right + 1], fitted


def _edges(ink: Pixels) -> tuple[Numbers, Numbers]:
    """Where solid ink begins and ends in each row."""
    solid = ink >= SOLID
    has = solid.any(axis=1)
    starts = np.where(has, solid.argmax(axis=1), FAR)
    return starts, np.where(has, solid.shape[1] - solid[:, ::-1].argmax(axis=1), -FAR)
