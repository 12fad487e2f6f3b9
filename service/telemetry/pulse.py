"""Once a second: the engine threads' heartbeat, the gauges of the process, and the dead man's switch.

A thread that hangs in an engine cannot be ended, nor can an event loop that stands still end itself. The switch is a
thread that counts seconds, and that every healthy pulse sets back; when it runs out, it writes every thread's stack to
standard error and ends the process, for the supervisor to start another.
"""

import asyncio
import faulthandler
import logging
import os
from collections.abc import Callable, Iterable
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from threading import Event, Thread

from service.inference.catalog import Catalog
from service.telemetry import metrics

log = logging.getLogger(__name__)

_INTERVAL_S = 1.0
_PATIENCE = 2  # heartbeats of silence, after which nothing is hoped for
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_STATM = Path("/proc/self/statm")


async def beat_forever(catalog: Catalog, every_beat: Iterable[Callable[[], None]], heartbeat_s: float) -> None:
    """Runs until cancelled. An engine that does not answer delays no other: its beat is left pending, not repeated."""
    pending: dict[str, asyncio.Task[None]] = {}
    loop = asyncio.get_running_loop()
    switch = Switch(_PATIENCE * heartbeat_s)
    try:
        while True:
            for model in catalog.ready():
                key = f"{model.name}/{model.version}"
                if key not in pending or pending[key].done():
                    pending[key] = asyncio.create_task(model.batcher.beat())
            expected = loop.time() + _INTERVAL_S
            await asyncio.sleep(_INTERVAL_S)
            _take_pulse(catalog, every_beat, loop.time() - expected)
            if silent := catalog.silent_model():
                log.error("engine_silent model=%s", silent)
            else:
                switch.set()
    finally:
        switch.off()


def _take_pulse(catalog: Catalog, every_beat: Iterable[Callable[[], None]], lag_s: float) -> None:
    """Whatever cannot be measured, the heart goes on."""
    try:
        metrics.LOOP_LAG.set(max(0.0, lag_s))
        measure(catalog)
        for act in every_beat:
            act()
    except Exception:
        log.exception("pulse_failed")


class Switch:
    """Ends the process unless it is set again within so many seconds. While the process is paused, none goes by."""

    def __init__(self, seconds: float) -> None:
        self._seconds = self._left = seconds
        self._off = Event()
        Thread(target=self._watch, name="switch", daemon=True).start()

    def set(self) -> None:
        """Begins anew."""
        self._left = self._seconds

    def off(self) -> None:
        """For good."""
        self._off.set()

    def _watch(self) -> None:
        while not self._off.wait(_INTERVAL_S):
            self._left -= _INTERVAL_S
            if self._left <= 0:
                faulthandler.dump_traceback()
                os._exit(1)


def measure(catalog: Catalog) -> None:
    """Sets the gauges that are read rather than counted; those of a model that is unloaded are 0."""
    metrics.PULSE_TIME.set_to_current_time()
    metrics.RESIDENT.set(resident_bytes())
    for name, entries in groupby(catalog.entries(), key=attrgetter("name")):
        models = [(entry.key, entry.model.batcher) for entry in entries if entry.model]
        ages = (batcher.heartbeat_age_s for key, batcher in models if key not in catalog.excused)
        metrics.QUEUE_ROWS.labels(name).set(sum(batcher.queued_rows for _, batcher in models))
        metrics.INFLIGHT.labels(name).set(sum(batcher.inflight_requests for _, batcher in models))
        metrics.HEARTBEAT_AGE.labels(name).set(max(ages, default=0.0))


def resident_bytes() -> int:
    """Resident memory of this process; 0 where the platform has no /proc."""
    if not _STATM.exists():
        return 0
    return int(_STATM.read_text().split()[1]) * _PAGE_BYTES
