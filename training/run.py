"""One training run as a folder: what was asked (`run.json`), how it went (`log.jsonl`, TensorBoard), what came of it.

Every file is written beside its place and renamed into it, so a killed run leaves the last whole epoch.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from pydantic import BaseModel, ConfigDict
from safetensors.torch import load_file, save
from torch import nn

from models.networks import build
from training import provenance
from training.data import DatasetRecord
from training.options import TrainingError

RECORD, LOG, CHECKPOINT, WEIGHTS, TENSORBOARD = (
    "run.json",
    "log.jsonl",
    "checkpoint.pt",
    "weights.safetensors",
    "tensorboard",
)


class RunError(TrainingError):
    """The run's folder does not allow what was asked."""


class RunRecord(BaseModel):
    """What was asked of a run, and on what it ran."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    network: str
    config: dict[str, Any]
    recipe: dict[str, Any]
    seed: int
    dataset: DatasetRecord
    command: str
    git_commit: str
    is_clean: bool
    versions: dict[str, str]
    hardware: str

    def asks_the_same(self, other: "RunRecord") -> bool:
        """Whether the other record would train the same weights."""
        return (self.recipe, self.seed, self.dataset) == (other.recipe, other.seed, other.dataset)


@dataclass(frozen=True)
class Run:
    """A folder `runs/<recipe>-seed<k>` and its record."""

    folder: Path
    record: RunRecord

    @property
    def is_complete(self) -> bool:
        """Whether the averaged weights of the last epoch are there."""
        return (self.folder / WEIGHTS).exists()

    def history(self) -> list[dict[str, Any]]:
        """What was logged, an object for each epoch."""
        return [json.loads(line) for line in (self.folder / LOG).read_text().splitlines()]

    def duration_s(self) -> float:
        """Seconds spent in the epochs, over all the times that the run was continued."""
        return float(sum(entry["seconds"] for entry in self.history()))

    def write_history(self, history: list[dict[str, Any]]) -> None:
        """Replaces the log."""
        write_whole(self.folder / LOG, "".join(json.dumps(entry) + "\n" for entry in history).encode())

    def save_weights(self, network: nn.Module) -> None:
        """Keeps the state dict, which completes the run."""
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
        write_whole(self.folder / WEIGHTS, save(tensors))

    def load_network(self) -> nn.Module:
        """The trained network, in evaluation mode. Raises RunError when the run has not ended."""
        if not self.is_complete:
            raise RunError(f"{self.folder} has not ended; continue it with --resume")
        network = build(self.record.network, self.record.config)
        network.load_state_dict(load_file(self.folder / WEIGHTS))
        return network.eval()


def start(folder: Path, record: RunRecord, *, resume: bool) -> Run:
    """Makes the run's folder, or finds it again to resume. Raises RunError rather than mix two runs."""
    if not (folder / RECORD).exists():
        (folder / TENSORBOARD).mkdir(parents=True, exist_ok=True)
        write_whole(folder / RECORD, record.model_dump_json(indent=1).encode() + b"\n")
        return Run(folder, record)
    if not resume:
        raise RunError(f"{folder} holds a run already; continue it with --resume, or remove it")
    run = find(folder)
    if not run.record.asks_the_same(record):
        raise RunError(f"{folder} was run with another recipe, seed or data set; resume with the same, or remove it")
    return run


def find(folder: Path) -> Run:
    """Opens an existing run. Raises RunError when the folder is none."""
    try:
        raw = (folder / RECORD).read_bytes()
    except OSError:
        raise RunError(f"{folder} is no run: it has no {RECORD}") from None
    return Run(folder, RunRecord.model_validate_json(raw))


def describe_machine(device: str, repository: Path) -> dict[str, Any]:
    """The part of a record that is not asked for but found: commit, versions, hardware."""
    return {
        "git_commit": provenance.commit(repository),
        "is_clean": provenance.is_clean(repository),
        "versions": provenance.versions(),
        "hardware": provenance.hardware(device),
    }


def save_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Keeps tensors and plain values, whole or not at all."""
    path = folder / CHECKPOINT
    beside = path.with_suffix(".partial")
    torch.save(state, beside)
    _settle(beside, path)


def load_checkpoint(folder: Path) -> dict[str, Any] | None:
    """The last whole epoch, if there is one. Loads tensors and plain values only, never code."""
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    return cast(dict[str, Any], torch.load(path, weights_only=True, map_location="cpu"))


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file that is there whole or not at all."""
    beside = path.with_name(path.name + ".partial")
    beside.write_bytes(content)
    _settle(beside, path)


def _settle(beside: Path, path: Path) -> None:
    with beside.open("rb") as file:
        os.fsync(file.fileno())
    beside.replace(path)
