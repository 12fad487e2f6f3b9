"""The data sets: where they lie, how they are split, and which bytes they are.

MNIST's train file is split into 55,000 images to learn from and 5,000 to choose by, at indices stored beside this file.
Its test file is read by `open_test` alone, which `training.evaluate` alone calls (a test enforces it). scikit-learn's
bundled 8x8 digits, scaled up, stand in where there is no MNIST.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor
from torch.nn.functional import interpolate, pad

from training.options import TrainingError

MEAN, STD = 0.1307, 0.3081  # of MNIST's training pixels scaled to 0..1
VALIDATION_INDICES = Path(__file__).with_name("validation_indices.txt")


class DataError(TrainingError):
    """A data set is not there and cannot be fetched."""


@dataclass(frozen=True)
class Examples:
    """Images uint8[N, 28, 28], light ink on dark, and their labels int64[N]."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, count: int) -> "Examples":
        """At most `count` examples from the start."""
        return Examples(self.images[:count], self.labels[:count])


class DatasetRecord(BaseModel):
    """Which bytes were read and how they were split, for the manifest. `files` holds SHA-256 hashes."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    files: dict[str, str]
    split: str


def open_training(dataset: str, root: Path) -> tuple[Examples, Examples]:
    """The examples to learn from and those to choose by, none of them from the test split. Raises DataError."""
    if dataset == "sklearn":
        every = small_digits()
        fold = torch.arange(len(every)) % 5
        return _select(every, fold > 1), _select(every, fold == 1)
    every = _read_mnist(root, train=True)
    chosen = torch.zeros(len(every), dtype=torch.bool)
    chosen[torch.tensor(validation_indices())] = True
    return _select(every, ~chosen), _select(every, chosen)


def open_test(dataset: str, root: Path) -> Examples:
    """The test split, which nothing is ever chosen on. For `training.evaluate` alone. Raises DataError."""
    if dataset == "sklearn":
        every = small_digits()
        return _select(every, torch.arange(len(every)) % 5 == 0)
    return _read_mnist(root, train=False)


def standardise(images: Tensor) -> Tensor:
    """uint8[N, 28, 28] of 0..255 -> float32[N, 28, 28] with the training pixels' mean 0 and variance 1."""
    return (images.float() / 255 - MEAN) / STD


def validation_indices() -> list[int]:
    """Which 5,000 rows of MNIST's train file are for validation: drawn once, without replacement, and stored."""
    return [int(line) for line in VALIDATION_INDICES.read_text().split()]


def describe(dataset: str, root: Path) -> DatasetRecord:
    """The data set's name, file hashes and split rule. Raises DataError when a file is missing."""
    if dataset == "sklearn":
        from sklearn.datasets import load_digits

        digest = hashlib.sha256(load_digits().data.tobytes()).hexdigest()
        split = "row number modulo 5: 0 test, 1 validation, the others training"
        return DatasetRecord(name="sklearn", files={"load_digits().data": digest}, split=split)
    files = sorted((root / "MNIST" / "raw").glob("*-ubyte"))
    if len(files) != 4:
        raise DataError(f"{root / 'MNIST' / 'raw'} must hold MNIST's 4 unpacked files, got {len(files)}")
    indices = hashlib.sha256(VALIDATION_INDICES.read_bytes()).hexdigest()
    split = f"55,000 training / 5,000 validation of the train file by training/validation_indices.txt, sha256 {indices}"
    return DatasetRecord(name="mnist", files={file.name: _hash(file) for file in files}, split=split)


def _hash(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _select(examples: Examples, mask: Tensor) -> Examples:
    return Examples(examples.images[mask], examples.labels[mask])


def _read_mnist(root: Path, *, train: bool) -> Examples:
    from torchvision.datasets import MNIST  # 8 s to import on a slow core, which the stand-in need not wait for

    try:
        mnist = MNIST(str(root), train=train, download=True)  # downloads only what is not there
    except (RuntimeError, URLError, OSError):
        raise DataError(
            f"no MNIST in {root}, and it cannot be downloaded; --data or AXON_DATA names another folder"
        ) from None
    return Examples(mnist.data, mnist.targets)


def small_digits() -> Examples:
    """1,797 digits of 8x8 pixels in 0..16, enlarged to the 20x20 box that MNIST's digits fill."""
    from sklearn.datasets import load_digits  # 3 s to import on a slow core, which gates need not wait for

    bunch = load_digits()
    small = torch.from_numpy(bunch.images).float().unsqueeze(1)
    large = pad(interpolate(small, size=(20, 20), mode="bilinear"), (4, 4, 4, 4))
    images = (large.squeeze(1) * (255 / 16)).round().clamp(0, 255).to(torch.uint8)
    return Examples(images, torch.from_numpy(bunch.target).long())
