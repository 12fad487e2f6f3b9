"""Loads published models: verifies every file, opens the engine, and runs the golden inputs, which warms it up.

Knows bundles and engines; does not know which version serves by default, nor that there are other workers.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from safetensors.numpy import load as load_tensors

from models.bundle import CARD, GOLDEN, WEIGHTS, Bundle
from models.manifest import Manifest
from models.repository import Repository
from service.inference.batcher import Batcher, Observer
from service.inference.catalog import Entry, LoadedModel, State, kind_of
from service.inference.engine import Engine, Predictor, open_engine, precision_of
from service.inference.predictions import DigitReader, GateReader, LineReader
from service.settings import Inference, Precision

log = logging.getLogger(__name__)

KEPT = (WEIGHTS, CARD)  # the files of a bundle that doors show; the others are done with once the engine is there
# Logits. float32 engines differ by 1e-5; one negated weight, the largest of a tensor, by 1e-1. bfloat16: decision 12.
GOLDEN_TOLERANCE: dict[Precision, float] = {"float32": 1e-3, "bfloat16": 0.375}

QUANTISED = "quantised_logits"  # beside the golden logits of a bundle whose graph is quantised
QUANTISED_TOLERANCE = 0.25  # processors round differently now and then, by a step of 0.1 in a logit
TIMED = 3  # runs at batch 1, of which the fastest counts: one pause while loading would have the batcher refuse much


class GoldenMismatch(Exception):
    """The engine does not give the logits that were published with the model."""


class Loader:
    """Opens versions of one repository, with the settings that all of them are run by."""

    def __init__(
        self,
        repository: Repository,
        inference: Inference,
        threads: int,
        observe: Callable[[str, int], Observer] = lambda *_: Observer(),
    ) -> None:
        self._repository = repository
        self._inference = inference
        self._threads = threads
        self._observe = observe

    def load(self, name: str, version: int) -> Entry:
        """A version that is READY, or FAILED with the reason. Called on any thread, one call at a time."""
        try:
            model = self._open(name, version)
        except Exception as error:  # whatever is wrong with one bundle must not stop the others
            log.error("model_failed name=%s version=%d", name, version, exc_info=error)
            return Entry(name, version, State.FAILED, reason=f"{type(error).__name__}: {error}")
        log.info("model_ready name=%s version=%d platform=%s seconds=%.3f", name, version, model.platform, model.load_s)
        return Entry(name, version, State.READY, model=model)

    def _open(self, name: str, version: int) -> LoadedModel:
        began = time.monotonic()
        bundle = self._repository.open(name, version)
        engine = open_engine(bundle, self._inference, self._threads)
        seconds_per_row = check_golden(engine, bundle, precision_of(bundle.manifest, self._inference))
        limits = self._inference.max_batch_rows, self._inference.max_queue_rows
        reader = _reader(engine, bundle.manifest)
        batcher = Batcher(name, reader, *limits, self._observe(name, version), seconds_per_row)
        shown = replace(bundle, files={name: bundle.files[name] for name in KEPT})
        return LoadedModel(shown, batcher, engine.platform, time.monotonic() - began)


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
