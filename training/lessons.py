"""Lessons: the training images as they are seen in some epoch, and what the teachers say of each.

They are made once and learnt by every student, so teachers, which cost ten times as much, are asked once. A student
hears what its teachers say of the very image that it sees (Beyer et al., arXiv:2106.05237).
"""

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import torch
from pydantic import BaseModel, ConfigDict
from rich.progress import track
from safetensors.torch import load_file, save
from torch import Tensor, nn

from training import data, run
from training.augment import Augmentation, Soiling, bend, soil
from training.data import DatasetRecord, Examples, standardise
from training.options import Options, TrainingError
from training.recipe import Recipe

FOLDER, RECORD = "lessons", "lessons.json"
BATCH = 500
SEED = 7


class LessonsError(TrainingError):
    """There are no such lessons."""


class Teacher(BaseModel):
    """A run that ended, and its weights' SHA-256."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    recipe: dict[str, Any]
    network: str
    config: dict[str, Any]
    seed: int
    weights: str
    validation_accuracy: float


class LessonsRecord(BaseModel):
    """Who taught, how images were seen, and the SHA-256 of each lesson: `lessons.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    augmentation: Augmentation
    soiling: Soiling | None
    soiled: int
    calm: int
    dataset: DatasetRecord
    teachers: list[Teacher]
    files: dict[str, str] = {}

    @property
    def sha256(self) -> str:
        """Of all lessons together."""
        return hashlib.sha256("".join(sorted(self.files.values())).encode()).hexdigest()


class Lesson(NamedTuple):
    """Images uint8[N, 28, 28] as seen, and the teachers' mean logits float16[N, 10], in the training split's order."""

    images: Tensor
    logits: Tensor


class Lessons:
    """The lessons of a folder. Raises LessonsError where they are not complete."""

    def __init__(self, runs: Path) -> None:
        self._folder = runs / FOLDER
        if not (self._folder / RECORD).exists():
            raise LessonsError(f"{self._folder} has no lessons; train teachers, then make them: docs/training.md")
        self.record = LessonsRecord.model_validate_json((self._folder / RECORD).read_bytes())

    def open(self, epoch: int, calm_from: int) -> Lesson:
        """The lesson of an epoch, from 0: soiled ones in turn, and from epoch `calm_from` on the calm ones."""
        soiled, calm = self.record.soiled, self.record.calm
        number = soiled + (epoch - calm_from) % calm if calm and epoch >= calm_from else epoch % soiled
        return Lesson(**load_file(self._folder / _file(number)))


def view(images: Tensor, augmentation: Augmentation, soiling: Soiling | None, generator: torch.Generator) -> Tensor:
    """uint8[N, 28, 28] as they are seen once: float32[N, 28, 28] of 0..1."""
    seen = bend(images.float() / 255, augmentation, generator)
    return soil(seen, soiling, generator) if soiling else seen


def make(teachers: list[Path], recipe: Recipe, soiled: int, calm: int, options: Options) -> LessonsRecord:
    """Makes `soiled` lessons as the recipe sees images, and `calm` ones without soiling; goes on where it was stopped.

    Raises RunError for a teacher that has not ended.
    """
    training, _ = data.open_training(options.dataset, options.data)
    networks = [run.find(folder).load_network().to(memory_format=torch.channels_last) for folder in teachers]
    folder = options.runs / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for number in track(range(soiled + calm), description="lessons"):
        if not (folder / _file(number)).exists():
            soiling = recipe.soiling if number < soiled else None
            lesson = _lesson(training, networks, recipe.augmentation, soiling, number)
            run.write_whole(folder / _file(number), save(lesson._asdict()))
    record = LessonsRecord(
        augmentation=recipe.augmentation,
        soiling=recipe.soiling,
        soiled=soiled,
        calm=calm,
        dataset=data.describe(options.dataset, options.data),
        teachers=[_describe(folder) for folder in teachers],
        files={_file(number): _hash(folder / _file(number)) for number in range(soiled + calm)},
    )
    run.write_whole(folder / RECORD, record.model_dump_json(indent=1).encode() + b"\n")
    return record


def _lesson(
    training: Examples, networks: list[nn.Module], augmentation: Augmentation, soiling: Soiling | None, number: int
) -> Lesson:
    generator = torch.Generator().manual_seed(SEED * 100_003 + number)
    seen = [view(images, augmentation, soiling, generator) for images in torch.split(training.images, BATCH)]
    images = (torch.cat(seen) * 255).round().to(torch.uint8)
    return Lesson(images, torch.cat([_say(networks, batch) for batch in torch.split(images, BATCH)]))


def _say(networks: list[nn.Module], images: Tensor) -> Tensor:
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        logits = [network(standardise(images)).float() for network in networks]
    return torch.stack(logits).mean(dim=0).half()


def _describe(folder: Path) -> Teacher:
    made = run.find(folder)
    record = made.record
    return Teacher(
        recipe=record.recipe,
        network=record.network,
        config=record.config,
        seed=record.seed,
        weights=_hash(folder / run.WEIGHTS),
        validation_accuracy=made.history()[-1]["validation_accuracy"],
    )


def _file(number: int) -> str:
    return f"{number:03}.safetensors"


def _hash(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
