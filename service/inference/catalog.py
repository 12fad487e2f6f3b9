"""The loaded models. A model is READY only after its golden inputs gave the logits that were published with it.

One that fails to load is listed as FAILED with its reason, while the others serve.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

import numpy as np
from safetensors.numpy import load as load_tensors

from models.bundle import CARD, GOLDEN, WEIGHTS, Bundle
from models.manifest import Manifest
from models.repository import Repository
from service.errors import NotReady, UnknownModel
from service.inference.batcher import Answer, Batcher, Observer
from service.inference.engine import Engine, Predictor, Rows, open_engine, precision_of
from service.inference.predictions import DigitReader, GateReader, LineReader
from service.settings import Inference, Models, Precision

log = logging.getLogger(__name__)

KEPT = (WEIGHTS, CARD)  # the files of a bundle that doors show; the others are done with once the engine is there
# Logits. float32 engines differ by 1e-5; one negated weight, the largest of a tensor, by 1e-1. bfloat16: decision 12.
GOLDEN_TOLERANCE: dict[Precision, float] = {"float32": 1e-3, "bfloat16": 0.375}

QUANTISED = "quantised_logits"  # beside the golden logits of a bundle whose graph is quantised
QUANTISED_TOLERANCE = 0.25  # processors round differently now and then, by a step of 0.1 in a logit
TIMED = 3  # runs at batch 1, of which the fastest counts: one pause while loading would have the batcher refuse much


Kind = Literal["gates", "digits", "lines"]


class State(StrEnum):
    """Where a version stands."""

    READY = "READY"
    FAILED = "FAILED"


class GoldenMismatch(Exception):
    """The engine does not give the logits that were published with the model."""


@dataclass(frozen=True)
class LoadedModel:
    """A model that serves: what was published, and the batcher in front of its engine."""

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

    async def infer(self, rows: Rows, deadline: float) -> Answer:
        """What is read from validated rows; see Batcher.submit for deadlines and errors."""
        return await self.batcher.submit(rows, deadline)


@dataclass(frozen=True)
class Entry:
    """A published version as this process has it; `model` is None unless READY, `reason` None unless FAILED."""

    name: str
    version: int
    is_default: bool
    state: State
    reason: str | None = None
    model: LoadedModel | None = None


class Catalog:
    """Loads what is published and hands out models by name and version."""

    def __init__(self, models: Models, inference: Inference, threads: int) -> None:
        self._repository = Repository(models.root, models.pins)
        self._models = models
        self._inference = inference
        self._threads = threads
        self._entries: dict[tuple[str, int], Entry] = {}
        self._defaults: dict[str, int] = {}
        self.is_leaving = False

    def load(self, observe: Callable[[str], Observer] = lambda _: Observer()) -> None:
        """Loads the newest versions of every model, and the pinned ones. Called on the event loop, before serving."""
        published = self._repository.names()
        for name in sorted({*published, *self._models.pins}):
            versions = self._repository.versions(name) if name in published else []
            self._defaults[name] = self._models.pins.get(name) or versions[-1]
            for version in sorted({*versions[-self._models.keep :], self._defaults[name]}):
                self._entries[name, version] = self._load(name, version, observe(name))

    def entries(self) -> Iterator[Entry]:
        """Every version, by name and version."""
        return (self._entries[key] for key in sorted(self._entries))

    def ready(self) -> Iterator[LoadedModel]:
        """The models that serve."""
        return (entry.model for entry in self.entries() if entry.model)

    def defaults(self) -> Iterator[LoadedModel]:
        """The default version of every model, where it serves."""
        return (entry.model for entry in self.entries() if entry.model and entry.is_default)

    def entry(self, name: str, version: int | None = None) -> Entry:
        """A version, the default if None. Raises UnknownModel."""
        if name not in self._defaults:
            raise UnknownModel(f"there is no model {name!r}; available: {', '.join(self._defaults) or 'none'}")
        number = version or self._defaults[name]
        if (name, number) not in self._entries:
            loaded = ", ".join(str(known) for known_name, known in sorted(self._entries) if known_name == name)
            raise UnknownModel(f"model {name!r} has no version {number} here; available: {loaded}")
        return self._entries[name, number]

    def get(self, name: str, version: int | None = None) -> LoadedModel:
        """A model that serves. Raises UnknownModel, or NotReady for one that failed to load."""
        return self.serving(self.entry(name, version))

    def serving(self, entry: Entry) -> LoadedModel:
        """The model of an entry. Raises NotReady for one that failed to load."""
        if entry.model is None:
            raise NotReady(f"model {entry.name!r} version {entry.version} failed to load", retry_after_s=30)
        return entry.model

    def why_not_ready(self) -> str | None:
        """None when every required model serves and every engine thread answered lately; else the reason."""
        if self.is_leaving:
            return "it is being stopped"
        for name in self._models.required:
            if name not in self._defaults or self.entry(name).model is None:
                return f"required model {name} is not loaded"
        silent = self.silent_model()
        return f"the engine of model {silent} does not answer" if silent else None

    def silent_model(self) -> str | None:
        """The name of a model whose engine thread has not answered lately."""
        limit = self._inference.heartbeat_s
        return next((model.name for model in self.ready() if model.batcher.heartbeat_age_s > limit), None)

    async def close(self, drain_s: float) -> None:
        """Lets every batcher finish what it has accepted, all within `drain_s` seconds."""
        await asyncio.gather(*(model.batcher.close(drain_s) for model in self.ready()))

    def _load(self, name: str, version: int, observer: Observer) -> Entry:
        is_default = self._defaults[name] == version
        try:
            model = self._open(name, version, observer)
        except Exception as error:  # whatever is wrong with one bundle must not stop the others
            log.error("model_failed name=%s version=%d", name, version, exc_info=error)
            return Entry(name, version, is_default, State.FAILED, reason=f"{type(error).__name__}: {error}")
        log.info("model_ready name=%s version=%d platform=%s seconds=%.3f", name, version, model.platform, model.load_s)
        return Entry(name, version, is_default, State.READY, model=model)

    def _open(self, name: str, version: int, observer: Observer) -> LoadedModel:
        began = time.monotonic()
        bundle = self._repository.open(name, version)
        engine = open_engine(bundle, self._inference, self._threads)
        seconds_per_row = check_golden(engine, bundle, precision_of(bundle.manifest, self._inference))
        limits = self._inference.max_batch_rows, self._inference.max_queue_rows
        batcher = Batcher(name, _reader(engine, bundle.manifest), *limits, observer, seconds_per_row)
        shown = replace(bundle, files={name: bundle.files[name] for name in KEPT})
        return LoadedModel(shown, batcher, engine.platform, time.monotonic() - began)


def kind_of(manifest: Manifest) -> Kind:
    """What a model reads: a gate has one logit, a reader of digits one for each, of lines many rows of them."""
    if len(manifest.output.shape) == 3:
        return "lines"
    return "gates" if manifest.output.shape[-1] == 1 else "digits"


def _reader(engine: Engine, manifest: Manifest) -> Predictor:
    """What turns the engine's logits into readings."""
    match kind_of(manifest):
        case "gates":
            return GateReader(engine)
        case "digits":
            return DigitReader(engine, manifest)
        case "lines":
            return LineReader(engine, manifest)


def check_golden(engine: Engine, bundle: Bundle, precision: Precision = "float32") -> float:
    """Runs the golden inputs together and at batch 1, which warms the engine up too; gives the seconds of the latter.

    Raises GoldenMismatch.
    """
    golden = load_tensors(bundle.files[GOLDEN])
    inputs, expected, allowed = golden["inputs"], golden["logits"], GOLDEN_TOLERANCE[precision]
    if engine.runs_graph and QUANTISED in golden:
        expected, allowed = golden[QUANTISED], QUANTISED_TOLERANCE
    answers, seconds = [engine.predict(inputs)], []
    for _ in range(TIMED):
        began = time.monotonic()
        answers.append(engine.predict(inputs[:1]))
        seconds.append(time.monotonic() - began)
    difference = float(np.max([np.abs(answer - expected[: len(answer)]).max() for answer in answers]))
    if not difference <= allowed:  # a NaN is no match either
        raise GoldenMismatch(f"golden logits differ by up to {difference:.3g}, allowed is {allowed:g}")
    return min(seconds)
