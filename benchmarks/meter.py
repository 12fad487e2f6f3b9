"""Who used the processors during a run: the server, the load generator, or somebody else.

CPU time of a request hardly depends on neighbours, so it is told beside the rate; and a run during which somebody else
was busy is known as such, and tried again.
"""

import contextlib
import os
import resource
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Generic, NamedTuple, TypeVar

TICKS = os.sysconf("SC_CLK_TCK")
IDLE = (3, 4)  # of the fields of /proc/stat: idle, waiting for a disk
GUESTS = 8  # these fields and those after them are counted in others already
CALM = 0.1  # of the processors in the hands of others; above it a run is tried again, and the calmest one counts
ATTEMPTS = 3

T = TypeVar("T")


class Usage(NamedTuple):
    """CPU seconds: of all processors, busy on anybody's behalf; of the server; of this program and what it has run."""

    machine: float
    server: float
    own: float

    def since(self, before: "Usage") -> "Usage":
        """What was used from then to now."""
        return Usage(*(now - then for now, then in zip(self, before, strict=True)))

    @property
    def foreign(self) -> float:
        """What neither the server nor the load generator used; ticks of 10 ms make it a little coarse."""
        return max(0.0, self.machine - self.server - self.own)


class Metered(NamedTuple, Generic[T]):
    """What a run gave, the CPU seconds of the server, and the share of all processors that others used."""

    result: T
    seconds: float
    server_s: float
    foreign: float


def calmest(work: Callable[[], T], pids: Sequence[int] = ()) -> Metered[T]:
    """Runs it until a run is calm, but not often; gives the calmest. `pids` are the server's."""
    runs: list[Metered[T]] = []
    while not runs or (runs[-1].foreign > CALM and len(runs) < ATTEMPTS):
        runs.append(_metered(work, pids))
    return min(runs, key=lambda run: run.foreign)


def _metered(work: Callable[[], T], pids: Sequence[int]) -> Metered[T]:
    before, began = read(pids), perf_counter()
    result = work()
    used, seconds = read(pids).since(before), perf_counter() - began
    return Metered(result, seconds, used.server, used.foreign / seconds / (os.cpu_count() or 1))


def read(pids: Sequence[int]) -> Usage:
    """Now; `pids` are the server's."""
    own = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return Usage(
        busy(Path("/proc/stat").read_text()),
        sum(map(_process, pids)),
        sum(usage.ru_utime + usage.ru_stime for usage in own),
    )


def busy(stat: str) -> float:
    """CPU seconds that were not idle, steal included, from the text of /proc/stat."""
    fields = [int(field) for field in stat.splitlines()[0].split()[1:][:GUESTS]]
    return sum(field for index, field in enumerate(fields) if index not in IDLE) / TICKS


def _process(pid: int) -> float:
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS
    return 0.0
