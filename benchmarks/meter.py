"""Who used the processors during a run: the server, the load generator, or somebody else.

CPU time of a request hardly depends on neighbours, so it is told beside the rate; and a run during which somebody else
was busy is known as such.
"""

import contextlib
import os
import resource
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

TICKS = os.sysconf("SC_CLK_TCK")
IDLE = (3, 4)  # of the fields of /proc/stat: idle, waiting for a disk
GUESTS = 8  # these fields and those after them are counted in others already


class Usage(NamedTuple):
    """CPU seconds: of all processors together, busy on anybody's behalf; of the server; of finished children (wrk)."""

    machine: float
    server: float
    children: float

    def since(self, before: "Usage") -> "Usage":
        """What was used from then to now."""
        return Usage(*(now - then for now, then in zip(self, before, strict=True)))

    @property
    def foreign(self) -> float:
        """What neither the server nor the load generator used; ticks of 10 ms make it a little coarse."""
        return max(0.0, self.machine - self.server - self.children)


def read(pids: Sequence[int]) -> Usage:
    """Now; `pids` are the server's."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Usage(
        busy(Path("/proc/stat").read_text()),
        sum(map(_process, pids)),
        children.ru_utime + children.ru_stime,
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
