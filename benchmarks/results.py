"""What is measured, as it is stored in `dist/benchmarks.json`. Parts may be absent; each says when it was measured."""

import statistics
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from benchmarks.closed_loop import Saturated
from benchmarks.environments import ROOT
from benchmarks.meter import CALM

FILE = ROOT / "dist" / "benchmarks.json"


class Record(BaseModel):
    """Something measured."""

    model_config = ConfigDict(extra="forbid")


class Origin(Record):
    """When, of what, and how a part was measured."""

    date: str
    commit: str
    command: str


class Cell(Record):
    """A server, a case and a number of connections: one run a round."""

    server: str
    case: str
    connections: int
    rounds: list[Saturated] = []

    def rates(self) -> list[float]:
        """Requests a second, by round."""
        return [run.rate for run in self.rounds]


class Trial(Record):
    """A way of tuning a peer, and the rate of its trial."""

    server: str
    variant: str
    rate: float


class Footprint(Record):
    """Memory of a server after its load, MB: its largest process, and all of them with shared pages counted once."""

    server: str
    processes: int
    largest_rss_mb: float
    largest_pss_mb: float
    total_pss_mb: float


class Closed(Record):
    """Closed loop: every server at saturation."""

    seconds: int
    trials: list[Trial] = []
    cells: list[Cell] = []
    footprints: list[Footprint] = []

    def cell(self, server: str, case: str, connections: int) -> Cell | None:
        """The cell, if it was measured."""
        wanted = (server, case, connections)
        return next((cell for cell in self.cells if (cell.server, cell.case, cell.connections) == wanted), None)

    def variant(self, server: str) -> str:
        """The way of tuning that was fastest in its trial; empty where there was no choice."""
        trials = [trial for trial in self.trials if trial.server == server]
        return max(trials, key=lambda trial: trial.rate).variant if trials else ""


class PacedRun(Record):
    """One run: latency from when a request was due, and how late the generator was, milliseconds."""

    answered: int
    percentiles_ms: dict[str, float]
    generator_late_p99_ms: float
    foreign: float


class Paced(Record):
    """Open loop at half of a server's own saturation: one run a round."""

    server: str
    offered: float
    rounds: list[PacedRun] = []

    def calm(self) -> list[PacedRun]:
        """Rounds that nobody disturbed; all of them, if each was disturbed."""
        return [run for run in self.rounds if run.foreign <= CALM] or self.rounds

    def by_round(self, percentile: str) -> list[float]:
        """A percentile of latency in the calm rounds, milliseconds."""
        return [run.percentiles_ms[percentile] for run in self.calm()]

    def late_ms(self) -> float:
        """How late the generator was in the calm rounds: the median of its 99th percentiles."""
        return statistics.median(run.generator_late_p99_ms for run in self.calm())


class Open(Record):
    """Open loop, every server."""

    seconds: float
    connections: int
    runs: list[Paced] = []


class Flood(Record):
    """Overload: many times what saturates, with a deadline on each request."""

    title: str
    saturation: float
    wanted: float
    due: float
    sent: float
    deadline_ms: float
    connections: int
    statuses: dict[int, int]
    refusals_without_retry_after: int
    accepted: float
    accepted_p50_ms: float
    accepted_p99_ms: float
    accepted_late: int


class Overload(Record):
    """Axon under more than it can do."""

    seconds: float
    floods: list[Flood] = []


class Start(Record):
    """From spawning the first process to the first 200, seconds."""

    server: str
    seconds: list[float]


class Starts(Record):
    """Every server."""

    runs: list[Start] = []


class Soak(Record):
    """Memory of all of Axon's processes against requests answered."""

    warm_up: int
    requests: int
    mixture: dict[str, float]
    statuses: dict[int, int]
    points: list[tuple[int, float]]
    slope_mb_per_100k: float


class BatchCost(Record):
    """Images a second for a number of images a request, by round."""

    size: int
    axon: list[float]
    engine_one: list[float]
    engine_two: list[float]


class Batches(Record):
    """What HTTP costs, beside the engine called in a loop in one process and in two."""

    seconds: int
    format: str
    connections: int
    costs: list[BatchCost] = []


class PartCost(Record):
    """Processor time of a part and of its yardstick, microseconds, by round."""

    what: str
    beside: str
    ours_us: list[float]
    beside_us: list[float]


class Parts(Record):
    """Parts of a request, in one process."""

    costs: list[PartCost] = []


class Results(Record):
    """Everything."""

    machine: dict[str, str] = {}
    versions: dict[str, str] = {}
    seed: int = 0
    origins: dict[str, Origin] = {}
    closed: Closed | None = None
    open: Open | None = None
    overload: Overload | None = None
    start: Starts | None = None
    soak: Soak | None = None
    batch: Batches | None = None
    parts: Parts | None = None


def load(file: Path = FILE) -> Results:
    """What is stored; nothing yet, if nothing is."""
    return Results.model_validate_json(file.read_bytes()) if file.is_file() else Results()


def store(results: Results, file: Path = FILE) -> None:
    """Replaces what is stored."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(results.model_dump_json(indent=1) + "\n")
