"""What the command line says, and the error that it prints. Imports nothing heavy, so that `--help` answers at once."""

from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
PUBLISHED = REPOSITORY / "models" / "published"
FIGURES = REPOSITORY / "docs" / "figures"
DATASETS = ("mnist", "sklearn")
TEACHERS = ("wide", "deep", "rows", "columns")
GATES = ("and", "or", "nand", "nor", "xor", "xnor")


class TrainingError(Exception):
    """What was asked cannot be done; the message says why."""


@dataclass(frozen=True)
class Options:
    """What is said about a run beside its recipe. `command` makes the same run again, on any machine."""

    data: Path = Path("data")
    dataset: str = "mnist"
    runs: Path = Path("runs")
    seed: int = 0
    device: str = "auto"
    resume: bool = False
    command: str = ""
    repository: Path = REPOSITORY
    processes: int = 1  # on each machine, started by torchrun; each takes its share of every batch
    machines: int = 1
