"""The models that this worker has, by name and version: replaced as a whole, so no request sees half of a change.

Knows what serves; `loader` knows how a model comes to serve, and `steward` which ones shall.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

from models.bundle import Bundle
from models.manifest import Manifest
from service.errors import NotReady, UnknownModel
from service.inference.batcher import Answer, Batcher
from service.inference.engine import Rows
from service.inference.queue import USUAL

Kind = Literal["gates", "digits", "lines"]
Key = tuple[str, int]  # name and version


_FALLING_SILENT = 0.75  # of the heartbeat's bound


class State(StrEnum):
    """Where a version stands. LOADING: not every worker has it yet. UNLOADED: somebody asked for that."""

    READY = "READY"
    FAILED = "FAILED"
    LOADING = "LOADING"
    UNLOADED = "UNLOADED"


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A model that serves: what was published, and the batcher in front of its engine.

    Who holds one may ask it: it is closed when nobody does any more.
    """

    bundle: Bundle
    batcher: Batcher
    platform: str
    load_s: float

    @property
    def kind(self) -> Kind:
        """What its outputs are about."""
        return kind_of(self.bundle.manifest)

    @property
    def name(self) -> str:
        return self.bundle.manifest.name

    @property
    def version(self) -> int:
        return self.bundle.manifest.version

    @property
    def admission(self) -> Batcher:
        """The batcher that says whether a request is let in."""
        return self.batcher

    async def infer(self, rows: Rows, deadline: float, priority: int = USUAL) -> Answer:
        """What is read from validated rows; see Batcher.submit for deadlines, priorities and errors."""
        return await self.batcher.submit(rows, deadline, priority)


@dataclass(frozen=True)
class Entry:
    """A version as this worker has it; `model` is None unless READY, `reason` says why it FAILED, if only elsewhere."""

    name: str
    version: int
    state: State
    reason: str | None = None
    model: LoadedModel | None = None
    is_default: bool = False

    @property
    def key(self) -> Key:
        return self.name, self.version


class Catalog:
    """Hands out models by name and version."""

    def __init__(self, required: Iterable[str], heartbeat_s: float) -> None:
        self._required = tuple(required)
        self._heartbeat_s = heartbeat_s
        self._shelf: Mapping[Key, Entry] = {}
        self._defaults: Mapping[str, int] = {}
        self.is_leaving = False
        self.excused: frozenset[Key] = frozenset()  # versions whose silence does not matter, as nobody asks them

    def replace(self, entries: Iterable[Entry], defaults: Mapping[str, int]) -> None:
        """What is served from now on. Requests in flight keep the models that they were given."""
        shelf = {entry.key: replace(entry, is_default=defaults[entry.name] == entry.version) for entry in entries}
        self._shelf, self._defaults = dict(sorted(shelf.items())), dict(sorted(defaults.items()))

    def entries(self) -> Iterator[Entry]:
        """Every version, by name and version."""
        return iter(self._shelf.values())

    def ready(self) -> Iterator[LoadedModel]:
        """The models that serve."""
        return (entry.model for entry in self.entries() if entry.model)

    def defaults(self) -> Iterator[LoadedModel]:
        """The default version of every model, where it serves."""
        return (entry.model for entry in self.entries() if entry.model and entry.is_default)

    def default(self, name: str) -> int | None:
        """The version that answers who names none; None for an unknown model."""
        return self._defaults.get(name)

    def find(self, name: str, version: int) -> Entry | None:
        """A version, if it is here."""
        return self._shelf.get((name, version))

    def entry(self, name: str, version: int | None = None) -> Entry:
        """A version, the default if None. Raises UnknownModel."""
        if name not in self._defaults:
            raise UnknownModel(f"there is no model {name!r}; available: {', '.join(self._defaults) or 'none'}")
        number = version or self._defaults[name]
        if (name, number) not in self._shelf:
            loaded = ", ".join(str(known) for known_name, known in self._shelf if known_name == name)
            raise UnknownModel(f"model {name!r} has no version {number} here; available: {loaded}")
        return self._shelf[name, number]

    def get(self, name: str, version: int | None = None) -> LoadedModel:
        """A model that serves. Raises UnknownModel, or NotReady for one that does not."""
        return self.serving(self.entry(name, version))

    def serving(self, entry: Entry) -> LoadedModel:
        """The model of an entry. Raises UnknownModel for one that was unloaded, NotReady for any other without one."""
        if entry.model is not None:
            return entry.model
        if entry.state is State.UNLOADED:
            raise UnknownModel(f"model {entry.name!r} is unloaded")
        happened = "failed to load" if entry.state is State.FAILED else "is being loaded"
        raise NotReady(f"model {entry.name!r} version {entry.version} {happened}", retry_after_s=30)

    def why_not_ready(self) -> str | None:
        """None when every required model serves and every engine thread answered lately; else the reason."""
        if self.is_leaving:
            return "it is being stopped"
        for name in self._required:
            if name not in self._defaults or self.entry(name).model is None:
                return f"required model {name} is not loaded"
        silent = self.silent_model()
        return f"the engine of model {silent} does not answer" if silent else None

    def why_not_answering(self, model: LoadedModel) -> str | None:
        """None while a model that serves can be asked; else the reason."""
        if self.is_leaving:
            return "it is being stopped"
        return f"the engine of model {model.name} does not answer" if self._is_silent(model) else None

    def silent_model(self) -> str | None:
        """The name of a model whose engine thread has not answered lately."""
        asked = (entry.model for entry in self.entries() if entry.model and entry.key not in self.excused)
        return next((model.name for model in asked if self._is_silent(model)), None)

    def is_falling_silent(self, model: LoadedModel) -> bool:
        """Whether its engine thread has not answered for most of the time after which a worker is not ready."""
        return model.batcher.heartbeat_age_s > _FALLING_SILENT * self._heartbeat_s

    def _is_silent(self, model: LoadedModel) -> bool:
        return model.batcher.heartbeat_age_s > self._heartbeat_s

    async def close(self, drain_s: float) -> None:
        """Lets every batcher finish what it has accepted, all within `drain_s` seconds."""
        await asyncio.gather(*(model.batcher.close(drain_s) for model in self.ready()))


def kind_of(manifest: Manifest) -> Kind:
    """What a model reads: a gate has one logit, a reader of digits one for each, of lines many rows of them."""
    if len(manifest.output.shape) == 3:
        return "lines"
    return "gates" if manifest.output.shape[-1] == 1 else "digits"
