"""The files that metrics are counted in: one set for each worker, by its number, made before any worker starts.

A worker that takes a dead one's place goes on where that one stopped: counts never fall, and a thousand restarts leave
no more files than one. The library names files by process otherwise. What is reserved cannot be used up by others:
a memory map on a full disk would be the end of the process (SIGBUS).
"""

import os
from pathlib import Path

from service.telemetry.values import Stores

KINDS = ("counter", "histogram", "gauge_livesum", "gauge_liveall", "gauge_livemax")
RESERVED_BYTES = 1 << 19  # twice what the largest kind uses where every version at hand is asked everything


def reserve(folder: Path, workers: int) -> None:
    """Makes the files of workers 1 to `workers`. Raises OSError where there is no room for them."""
    for number in range(1, workers + 1):
        for kind in KINDS:
            reserve_one(folder / f"{kind}_{number}.db")


def reserve_one(path: Path) -> None:
    """Makes one empty file. Raises OSError where there is no room for it."""
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, RESERVED_BYTES)


def count_as(number: int, folder: Path) -> None:
    """Makes this process count as worker `number`, in `folder`. To be called before the first metric is made."""
    from prometheus_client import values

    values.ValueClass = Stores(folder, number, reserve_one).value_class()
