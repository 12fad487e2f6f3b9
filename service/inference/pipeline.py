"""What every door calls with validated arrays: core and post. Knows models and deadlines, neither HTTP nor JSON."""

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.errors import UnknownModel
from service.explaining import draw, occlude, read_steps
from service.inference.batcher import Answer
from service.inference.catalog import Catalog, Kind, LoadedModel
from service.inference.engine import Outputs
from service.inference.predictions import describe, refuse_several
from service.inference.spelling import Character, spell
from service.telemetry import metrics
from service.telemetry.quality import Quality

GATE_PREFIX = "gate-"


class DigitsResult(NamedTuple):
    """Predictions in the order of the images, and the batcher's answer with its times."""

    predictions: list[dict[str, Any]]
    answer: Answer


class LinesResult(NamedTuple):
    """The characters of each strip, and the batcher's answer with its times."""

    lines: list[list[Character]]
    answer: Answer


class Pipeline:
    """Reads digits and evaluates gates with the models of a catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self._quality: dict[tuple[str, int], Quality] = {}
        self._stage = cache(metrics.STAGE_DURATION.labels)

    def reader(self, name: str, version: int | None = None) -> LoadedModel:
        """A reader of single digits. Raises UnknownModel, also for a model of another kind, and NotReady."""
        return self._of_kind("digits", name, version)

    def line_reader(self, name: str, version: int | None = None) -> LoadedModel:
        """A reader of lines. Raises as `reader` does."""
        return self._of_kind("lines", name, version)

    def gate(self, gate: str) -> LoadedModel:
        """A gate by its short name, such as `xor`. Raises UnknownModel and NotReady."""
        known = [name.removeprefix(GATE_PREFIX) for name in sorted(self._gate_names())]
        if gate not in known:
            raise UnknownModel(f"there is no gate {gate!r}; available: {', '.join(known) or 'none'}")
        return self.catalog.get(GATE_PREFIX + gate)

    async def read(
        self,
        images: NDArray[np.uint8],
        model: LoadedModel,
        top_k: int,
        deadline: float,
        are_several: NDArray[np.bool_] | None = None,
    ) -> DigitsResult:
        """Reads uint8[N, 28, 28], N >= 1, of which some show several digits. Raises what Batcher.submit raises."""
        answer = await self.consider(images, model, deadline)
        if are_several is not None:
            refuse_several(answer.outputs, are_several)
        return DigitsResult(self.tell(images, answer.outputs, model, top_k), answer)

    async def consider(self, images: NDArray[np.uint8], model: LoadedModel, deadline: float) -> Answer:
        """Readings of uint8[N, 28, 28], N >= 1, which may be no digits: they count as rows, and not as predictions."""
        answer = await model.infer(images, deadline)
        self._observe(model.name, answer)
        return answer

    def tell(
        self, images: NDArray[np.uint8], readings: Outputs, model: LoadedModel, top_k: int
    ) -> list[dict[str, Any]]:
        """The predictions of readings, which are counted."""
        predictions = describe(readings, top_k)
        self._quality_of(model).record(images, predictions)
        return predictions

    async def read_lines(self, strips: NDArray[np.uint8], model: LoadedModel, deadline: float) -> LinesResult:
        """Reads uint8[N, 32, 320], N >= 1. Raises what Batcher.submit raises."""
        answer = await self.consider(strips, model, deadline)
        rejection = model.bundle.manifest.rejection
        least = rejection.min_confidence if rejection else 0.0
        lines = [spell(answers, strips.shape[2], least) for answers in answer.outputs]
        self._quality_of(model).count([character.counted() for line in lines for character in line])
        return LinesResult(lines, answer)

    async def explain(
        self, images: NDArray[np.uint8], result: DigitsResult, model: LoadedModel, deadline: float
    ) -> list[dict[str, Any]]:
        """Why uint8[N, 28, 28] were read as they were, image by image. Raises what Batcher.submit raises."""
        readings = zip(images, result.predictions, result.answer.outputs["probabilities"], strict=True)
        return [await self._explain(*reading, model, deadline) for reading in readings]

    async def _explain(
        self,
        image: NDArray[np.uint8],
        prediction: dict[str, Any],
        probabilities: NDArray[np.float64],
        model: LoadedModel,
        deadline: float,
    ) -> dict[str, Any]:
        """Has the model read the image's variants, in one request to the batcher."""
        saliency = np.zeros(image.shape)
        if prediction["digit"] is not None:
            occlusions = occlude(image)
            answer = await self.consider(occlusions.images, model, deadline)
            saliency = occlusions.saliency(probabilities, answer.outputs["probabilities"], prediction["digit"])
        explanation = {"image": image, "saliency": saliency, "saliency_png": draw(image, saliency)}
        steps = read_steps(image, model.bundle)
        return explanation if steps is None else explanation | {"steps": steps}

    async def fire(self, inputs: NDArray[np.float32], model: LoadedModel, deadline: float) -> NDArray[np.float64]:
        """Firing probabilities float64[N] of a gate on float32[N, 2], N >= 1. Raises what Batcher.submit raises."""
        answer = await model.infer(inputs, deadline)
        self._observe(model.name, answer)
        return answer.outputs

    def observe_stage(self, model: str, stage: str, seconds: float) -> None:
        """Counts the time of a stage that a door does itself: decode, normalise, encode."""
        metrics.TALLY.observe(self._stage(model, stage), seconds)

    def flush(self) -> None:
        """Counts what quality signals have gathered."""
        for quality in self._quality.values():
            quality.flush()

    def _of_kind(self, kind: Kind, name: str, version: int | None) -> LoadedModel:
        model = self.catalog.get(name, version)
        if model.kind != kind:
            others = ", ".join(sorted({other.name for other in self.catalog.ready() if other.kind == kind}))
            raise UnknownModel(f"model {name!r} reads {model.kind}, not {kind}; available: {others or 'none'}")
        return model

    def _gate_names(self) -> set[str]:
        return {entry.name for entry in self.catalog.entries() if entry.name.startswith(GATE_PREFIX)}

    def _observe(self, model: str, answer: Answer) -> None:
        self.observe_stage(model, "queue", answer.queue_s)
        self.observe_stage(model, "compute", answer.compute_s)

    def _quality_of(self, model: LoadedModel) -> Quality:
        key = model.name, model.version
        if key not in self._quality:
            self._quality[key] = Quality(*key)
        return self._quality[key]
