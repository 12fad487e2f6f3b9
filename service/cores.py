"""How many cores this process may use: what the scheduler grants, within a container's quota. And how many workers."""

import math
import os
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # cgroup v2: "<quota> <period>" in microseconds, or "max <period>"


def usable(quota: Path = _QUOTA) -> int:
    """At least 1; a fraction of a core counts as one."""
    granted = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        limit, period = quota.read_text().split()
    except (OSError, ValueError):
        return granted
    return granted if limit == "max" else max(1, min(granted, math.ceil(int(limit) / int(period))))


def workers(wanted: int, on_gpu: bool) -> int:
    """As many as wanted; where 0 are, one for each core, or one for the GPU."""
    return wanted or (1 if on_gpu else usable())
