"""Keeps a worker's catalog true to the folder of published models, and to what operators order, while it serves.

A new version is verified, warmed and held to its golden logits beside the one that serves. It becomes the default when
every worker has it, in all of them within milliseconds; until then it is LOADING. One that is bad is FAILED and
changes nothing. Requests in flight finish with the model that they began with.
"""

import asyncio
import hashlib
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from models.repository import Repository, Stamp
from service.inference.board import Attempt, Board, Finding, Orders, Report, key_of, label
from service.inference.catalog import Catalog, Entry, Key, State
from service.inference.consent import Consent
from service.inference.engine_thread import EngineThread
from service.inference.loader import Loader
from service.inference.wishes import Wishes, is_serving
from service.settings import Models

log = logging.getLogger(__name__)

TICK_S = 0.1  # between two looks at the orders
LOAD_S = 50.0  # that a version may take to load; then it has failed, and its thread is left to itself
MOST_DEATHS = 3  # of workers that were loading a version, after which it has failed
SOON_S = 0.01  # between two looks at the other workers while one of them loads: how far apart they change over


class Steward:
    """Of one worker. `candidates` are the versions on trial; `on_entry` is told of each that is new or has changed."""

    def __init__(
        self,
        catalog: Catalog,
        loader: Loader,
        repository: Repository,
        models: Models,
        board: Board,
        candidates: Mapping[str, frozenset[int]] | None = None,
        on_entry: Callable[[Entry], None] = lambda _: None,
    ) -> None:
        self._catalog = catalog
        self._loader = loader
        self._models = models
        self._board = board
        self._candidates = candidates or {}
        self._on_entry = on_entry
        self._repository = repository
        self._orders = Orders()
        self._carried_out = -1  # the number of the newest order that is
        self._sight: dict[str, dict[int, Stamp]] = {}  # what is published, and the files of what does not serve
        self._settled: set[Key] = set()  # whose files are what they were at the look before
        self._looked = 0.0
        self._held: dict[Key, Entry] = {}  # READY or FAILED, as this worker found them
        self._tried: dict[Key, str] = {}  # which files they had, and which order to load was the newest
        self._loading: dict[Key, Attempt] = {}  # the one that is being loaded, if any
        self._died: Mapping[str, Attempt] = {}  # by version: what the worker before was loading when it died
        self._wake = asyncio.Event()
        self._thread = EngineThread("loader")  # one, for each thread keeps memory of its own

    async def open(self) -> None:
        """Loads what is published, before serving."""
        before = self._board.left_behind()
        self._died = before.loading if before else {}
        await self._thread.run(partial(self._look, is_first=True))
        await self._load()
        self._conclude()

    async def watch(self) -> None:
        """Runs until cancelled."""
        self._wake = asyncio.Event()  # of this event loop
        while True:
            await self._doze(SOON_S if self.is_pending() or self._orders.asked else TICK_S)
            try:
                await self.tend()
            except Exception:  # such as a disk that is full or away: what serves goes on serving
                log.exception("steward_failed")
                self._looked = time.monotonic()

    def wake(self) -> None:
        """Has orders looked at now."""
        self._wake.set()

    def is_pending(self) -> bool:
        """Whether there is a version that some worker does not have yet."""
        return any(entry.state is State.LOADING for entry in self._catalog.entries())

    @property
    def stopped(self) -> Mapping[str, str]:
        """By version ("cnn/3"): why it is a candidate no more, as far as this worker has been told."""
        return self._orders.stopped

    def report(self) -> Report:
        """What this worker has."""
        return Report(
            pid=os.getpid(),
            order=self._carried_out,
            versions={
                label(key): Finding(attempt=self._tried[key], reason=entry.reason)
                for key, entry in sorted(self._held.items())
            },
            is_pending=any(entry.state is State.LOADING and not entry.reason for entry in self._catalog.entries()),
            loading={label(key): attempt for key, attempt in self._loading.items()},
        )

    async def _doze(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

    async def tend(self) -> None:
        """Looks where it is time to, loads what shall be loaded, and shows what has come of it."""
        is_ordered = await self._thread.run(self._is_ordered)
        is_time = self._models.watch_s > 0 and time.monotonic() - self._looked >= self._models.watch_s
        if is_ordered or is_time:
            await self._thread.run(self._look)
            await self._load()
        if is_ordered or is_time or self.is_pending():
            self._conclude()

    def _is_ordered(self) -> bool:
        """Whether there is an order that this worker has yet to carry out. The orders' disk may take its time."""
        return self._board.orders().number != self._orders.number or self._carried_out != self._orders.number

    async def _load(self) -> None:
        """All versions that shall be loaded now, one after the other."""
        while key := self._next():
            attempt = self._attempt(key)
            entry = await self._try(key, attempt)
            self._held[key], self._tried[key] = entry, attempt

    async def _try(self, key: Key, attempt: str) -> Entry:
        """A version that is READY, or FAILED: also where it takes too long, or ends the process again and again."""
        died = self._died.get(label(key))
        deaths = died.deaths if died and died.attempt == attempt else 0
        if deaths >= MOST_DEATHS:
            return Entry(*key, State.FAILED, reason=f"{deaths} times a worker died while it loaded this version")
        self._loading = {key: Attempt(attempt=attempt, deaths=deaths + 1)}
        self._announce()
        try:
            async with asyncio.timeout(LOAD_S):
                return await self._thread.run(partial(self._loader.load, *key))
        except TimeoutError:
            log.error("load_abandoned name=%s version=%d", *key)
            self._thread = EngineThread("loader")
            return Entry(*key, State.FAILED, reason=f"it has not loaded within {LOAD_S:.0f} s")
        finally:
            self._loading = {}

    def _announce(self) -> None:
        """That a version is being loaded: to who comes after this worker, and to who looks while it serves."""
        self._board.report(self.report())
        if self._carried_out >= 0:
            self._serve_what_is_shown()

    def _look(self, is_first: bool = False) -> None:
        """Takes in the orders and what is published. A model that has vanished is taken for a disk that is away."""
        before, orders = self._sight, self._board.orders()
        sight = before | {name: self._see(name) for name in self._repository.names()}
        self._settled = {
            (name, version)
            for name, versions in sight.items()
            for version, stamp in versions.items()
            if is_first or stamp == before.get(name, {}).get(version)
        }
        self._sight, self._orders, self._looked = sight, orders, time.monotonic()

    def _see(self, name: str) -> dict[int, Stamp]:
        """The versions of a model. What serves has been read, and is not read again."""
        versions = self._repository.versions(name)
        serving = {version for version in versions if is_serving(self._catalog.find(name, version))}
        return {
            version: frozenset() if version in serving else self._repository.stamp(name, version)
            for version in versions
        }

    def _wishes(self) -> Wishes:
        pins = {name: pin for name, pin in (self._models.pins | self._orders.pins).items() if pin}
        asked = {key_of(each) for each in self._orders.asked}
        return Wishes(self._sight, pins, self._orders.unloaded, self._candidates, asked, self._models.keep)

    def _wanted(self) -> Iterator[Key]:
        consent = self._consent()
        return self._wishes().wanted(lambda key: is_serving(self._held.get(key)) and not consent.failure(key))

    def _next(self) -> Key | None:
        """A version that shall be loaded now."""
        return next((key for key in self._wanted() if self._is_due(key)), None)

    def _is_due(self, key: Key) -> bool:
        """Whether a version is new, has changed since it was tried, or shall be tried again; not while it is copied."""
        if is_serving(self._catalog.find(*key)) or self._tried.get(key) == self._attempt(key):
            return False
        is_ordered = self._orders.loads.get(key[0], 0) > self._carried_out
        return is_ordered or key in self._settled or not self._files(key)

    def _attempt(self, key: Key) -> str:
        """Names the files of a version, and the newest order to load it: alike in all workers that see the same."""
        files = hashlib.sha256(repr(sorted(self._files(key))).encode()).hexdigest()[:16]
        return f"{files} {self._orders.loads.get(key[0], 0)}"

    def _files(self, key: Key) -> Stamp:
        name, version = key
        return self._sight.get(name, {}).get(version, frozenset())

    def _conclude(self) -> None:
        """Tells the other workers what this one has, and serves what all of them have."""
        self._board.report(self.report())
        self._serve_what_is_shown()
        self._carried_out = self._orders.number
        self._board.report(self.report())

    def _serve_what_is_shown(self) -> None:
        """What all workers have; what is being loaded is told of."""
        consent = self._consent()
        shown = {key: self._show(entry, consent) for key, entry in self._held.items()}
        shown |= {key: Entry(*key, State.LOADING) for key in self._loading}
        current = {entry.name: entry.version for entry in self._catalog.entries() if entry.is_default}
        defaults = self._wishes().defaults(shown, current)
        kept = {*self._wanted(), *defaults.items()}
        self._held = {key: entry for key, entry in self._held.items() if key in kept}
        self._tried = {key: attempt for key, attempt in self._tried.items() if key in kept}
        self._serve({key: entry for key, entry in shown.items() if key in kept}, defaults)

    def _consent(self) -> Consent:
        return Consent(self._board.others(), self._tried, self._orders.number)

    def _show(self, entry: Entry, consent: Consent) -> Entry:
        """A version as all workers have it, before it takes another one's place. What serves goes on serving."""
        if not is_serving(entry) or is_serving(self._catalog.find(*entry.key)):
            return entry
        default = self._catalog.default(entry.name)
        if default is not None and is_serving(self._catalog.find(entry.name, default)):
            return consent.show(entry)
        held = (each for each in self._held.values() if each.name == entry.name and each is not entry)
        return consent.show_first(entry, [each.key for each in held if is_serving(each)])

    def _serve(self, shown: dict[Key, Entry], defaults: dict[str, int]) -> None:
        """Changes the catalog."""
        for name in self._orders.unloaded & self._sight.keys():
            defaults[name] = max(self._sight[name])
            shown[name, defaults[name]] = Entry(name, defaults[name], State.UNLOADED)
        before = {entry.key: entry for entry in self._catalog.entries()}
        is_change = bool(before)
        self._catalog.replace(shown.values(), defaults)
        for entry in self._catalog.entries():
            was = before.pop(entry.key, None)
            if entry.model and not (was and was.model):
                entry.model.batcher.begin()
            if was is None or was.state is not entry.state:
                self._on_entry(entry)
            if is_change and entry.is_default and not (was and was.is_default):
                log.info("default_changed name=%s version=%d", *entry.key)
        for key in before:
            log.info("model_retired name=%s version=%d", *key)
