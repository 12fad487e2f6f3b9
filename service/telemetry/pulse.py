"""Once a second: the engine threads' heartbeat, and the gauges of the process."""

import asyncio
import logging
import os
from collections.abc import Callable
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from service.inference.catalog import Catalog
from service.telemetry import metrics

log = logging.getLogger(__name__)

_INTERVAL_S = 1.0
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_STATM = Path("/proc/self/statm")


async def beat_forever(catalog: Catalog, every_beat: Callable[[], None]) -> None:
    """Runs until cancelled. An engine that does not answer delays no other: its beat is left pending, not repeated."""
    pending: dict[str, asyncio.Task[None]] = {}
    loop = asyncio.get_running_loop()
    while True:
        for model in catalog.ready():
            key = f"{model.name}/{model.version}"
            if key not in pending or pending[key].done():
                pending[key] = asyncio.create_task(model.batcher.beat())
        expected = loop.time() + _INTERVAL_S
        await asyncio.sleep(_INTERVAL_S)
        try:
            metrics.LOOP_LAG.set(max(0.0, loop.time() - expected))
            measure(catalog)
            every_beat()
        except Exception:  # a full disk for metric files must not stop the heart
            log.exception("pulse_failed")


def measure(catalog: Catalog) -> None:
    """Sets the gauges that are read rather than counted."""
    metrics.PULSE_TIME.set_to_current_time()
    metrics.RESIDENT.set(resident_bytes())
    for name, versions in groupby(catalog.ready(), key=attrgetter("name")):
        batchers = [model.batcher for model in versions]
        metrics.QUEUE_ROWS.labels(name).set(sum(batcher.queued_rows for batcher in batchers))
        metrics.INFLIGHT.labels(name).set(sum(batcher.inflight_requests for batcher in batchers))
        metrics.HEARTBEAT_AGE.labels(name).set(max(batcher.heartbeat_age_s for batcher in batchers))


def resident_bytes() -> int:
    """Resident memory of this process; 0 where the platform has no /proc."""
    if not _STATM.exists():
        return 0
    return int(_STATM.read_text().split()[1]) * _PAGE_BYTES
