"""The files that metrics are counted in: one set for each worker, by its number, made before any worker starts.

A worker that takes a dead one's place goes on where that one stopped: counts never fall, and a thousand restarts leave
no more files than one. The library names files by process otherwise. What is reserved cannot be used up by others:
a memory map on a full disk would be the end of the process (SIGBUS).
"""

import os
from pathlib import Path

KINDS = ("counter", "histogram", "gauge_livesum", "gauge_liveall", "gauge_livemax")
RESERVED_BYTES = 1 << 18  # four times what the largest kind uses; the sets of labels are closed


def reserve(folder: Path, workers: int) -> None:
    """Makes the files of workers 1 to `workers`. Raises OSError where there is no room for them."""
    for number in range(1, workers + 1):
        for kind in KINDS:
            with (folder / f"{kind}_{number}.db").open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, RESERVED_BYTES)


def count_as(number: int) -> None:
    """Makes this process count as worker `number`. To be called before the first metric is made."""
    from prometheus_client import values

    values.ValueClass = values.MultiProcessValue(lambda: number)  # type: ignore[no-untyped-call]
