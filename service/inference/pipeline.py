"""What every door calls with validated arrays: core and post. Knows models and deadlines, neither HTTP nor JSON."""

from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from prometheus_client import Histogram

from service.errors import UnknownModel
from service.explaining import draw, occlude, read_steps
from service.imaging.segment import Box, Strip, part
from service.inference.batcher import Answer
from service.inference.catalog import Catalog, Kind, LoadedModel
from service.inference.engine import Outputs, Rows
from service.inference.predictions import describe, refuse_several
from service.inference.queue import USUAL
from service.inference.rollout import Rollout
from service.inference.spelling import Verdict, judge, look_again, spell
from service.telemetry import metrics
from service.telemetry.quality import Quality

GATE_PREFIX = "gate-"
FEW = 4  # readings that are counted sooner one by one


class DigitsResult(NamedTuple):
    """Predictions in the order of the images, the batcher's answer with its times, and whose it is."""

    predictions: list[dict[str, Any]]
    answer: Answer
    model: LoadedModel


class WrittenDigit(NamedTuple):
    """A character of a number: what it is taken for, on which line, and its box in pixels of the page."""

    verdict: Verdict
    line: int
    box: Box


class NumberResult(NamedTuple):
    """Digits line by line from left to right, the seconds that they waited and took, and who read the lines."""

    digits: list[WrittenDigit]
    queue_s: float
    compute_s: float
    model: LoadedModel


class Pipeline:
    """Reads digits and evaluates gates with the models of a catalog, of which some may be on trial."""

    def __init__(self, catalog: Catalog, rollout: Rollout) -> None:
        self.catalog = catalog
        self.rollout = rollout
        self._quality: dict[tuple[str, int], Quality] = {}
        self._stages: dict[tuple[str, int, str], Histogram] = {}

    def reader(self, name: str, version: int | None, request_id: str | None) -> LoadedModel:
        """A reader of single digits; where no version is named, the id says whether a canary's, and None that not.

        Raises UnknownModel, also for a model of another kind, and NotReady.
        """
        return self._of_kind("digits", name, version, request_id)

    def line_reader(self, name: str, version: int | None, request_id: str) -> LoadedModel:
        """A reader of lines. Chosen as `reader` does, and raises as that."""
        return self._of_kind("lines", name, version, request_id)

    def second_reader(self, name: str) -> LoadedModel | None:
        """A reader of single digits, if it serves."""
        return next((model for model in self.catalog.defaults() if model.name == name and model.kind == "digits"), None)

    def gate(self, gate: str, request_id: str | None) -> LoadedModel:
        """A gate by its short name, such as `xor`. Chosen as `reader` does. Raises UnknownModel and NotReady."""
        known = [name.removeprefix(GATE_PREFIX) for name in sorted(self._gate_names())]
        if gate not in known:
            raise UnknownModel(f"there is no gate {gate!r}; available: {', '.join(known) or 'none'}")
        model = self.catalog.get(GATE_PREFIX + gate)
        return model if request_id is None else self.rollout.choose(model, request_id)

    async def read(
        self,
        images: NDArray[np.uint8],
        model: LoadedModel,
        top_k: int,
        deadline: float,
        are_several: NDArray[np.bool_] | None = None,
    ) -> DigitsResult:
        """Reads uint8[N, 28, 28], N >= 1, of which some show several digits. Raises what Batcher.submit raises."""
        answer, model = await self.ask(images, model, deadline)
        if are_several is not None:
            refuse_several(answer.outputs, are_several)
        return DigitsResult(self.tell(images, answer.outputs, model, top_k), answer, model)

    async def ask(
        self, rows: Rows, model: LoadedModel, deadline: float, priority: int = USUAL
    ) -> tuple[Answer, LoadedModel]:
        """As `consider`, for what a request is about, so that trials learn of it; and who has answered."""
        answer, model = await self.rollout.ask(rows, model, deadline, priority)
        self._observe(model, answer)
        return answer, model

    async def consider(self, rows: Rows, model: LoadedModel, deadline: float, priority: int = USUAL) -> Answer:
        """What a model makes of N >= 1 rows, which may be no digits: they count as rows, and not as predictions."""
        answer = await model.infer(rows, deadline, priority)
        self._observe(model, answer)
        return answer

    def tell(
        self, images: NDArray[np.uint8], readings: Outputs, model: LoadedModel, top_k: int
    ) -> list[dict[str, Any]]:
        """The predictions of readings, which are counted."""
        predictions = describe(readings, top_k)
        self._quality_of(model).record(images, predictions)
        return predictions

    def tally(self, images: NDArray[np.uint8], readings: Outputs, model: LoadedModel) -> None:
        """Counts readings that go out as tensors."""
        quality = self._quality_of(model)
        if len(readings) > FEW:
            quality.record_readings(images, readings)
        else:
            quality.record(images, describe(readings, 1))

    async def read_number(
        self, strips: list[Strip], model: LoadedModel, second: LoadedModel | None, deadline: float
    ) -> NumberResult:
        """Reads N >= 1 strips, and has a second reader look at digits that stand alone. Raises as `read` does."""
        answer, model = await self.ask(np.stack([strip.image for strip in strips]), model, deadline)
        answers = [answer]
        characters = [spell(said, strips[0].image.shape[1]) for said in answers[0].outputs]
        parts = [part(strip, [each.middle for each in line]) for strip, line in zip(strips, characters, strict=True)]
        flat, places = list(chain(*characters)), list(chain(*parts))
        alone = {place: image for place, (_, image) in enumerate(places) if image is not None}
        if second and alone:
            answers.append(await self.consider(np.stack(list(alone.values())), second, deadline))
            for place, reading in zip(alone, answers[1].outputs, strict=True):
                flat[place] = look_again(flat[place], reading)
        rejection = model.bundle.manifest.rejection
        verdicts = [judge(character, rejection.min_confidence if rejection else 0.0) for character in flat]
        self._quality_of(model).count([verdict._asdict() for verdict in verdicts])
        lines = [strip.line for strip, line in zip(strips, characters, strict=True) for _ in line]
        return NumberResult(
            [WrittenDigit(*each) for each in zip(verdicts, lines, (place.box for place in places), strict=True)],
            sum(answer.queue_s for answer in answers),
            sum(answer.compute_s for answer in answers),
            model,
        )

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
        return (await self.consider(inputs, model, deadline)).outputs

    def observe_stage(self, model: LoadedModel, stage: str, seconds: float) -> None:
        """Counts the time of a stage that a door does itself: decode, normalise, encode."""
        key = model.name, model.version, stage
        series = self._stages.get(key)
        if series is None:
            series = self._stages[key] = metrics.STAGE_DURATION.labels(*key)
        metrics.TALLY.observe(series, seconds)

    def flush(self) -> None:
        """Counts what quality signals have gathered, and forgets versions that have left."""
        for quality in self._quality.values():
            quality.flush()
        here = {(model.name, model.version) for model in self.catalog.ready()}
        self._quality = {key: quality for key, quality in self._quality.items() if key in here}
        self._stages = {key: series for key, series in self._stages.items() if key[:2] in here}

    def _of_kind(self, kind: Kind, name: str, version: int | None, request_id: str | None) -> LoadedModel:
        model = self.catalog.get(name, version)
        if model.kind != kind:
            others = ", ".join(sorted({other.name for other in self.catalog.ready() if other.kind == kind}))
            raise UnknownModel(f"model {name!r} reads {model.kind}, not {kind}; available: {others or 'none'}")
        return model if version or request_id is None else self.rollout.choose(model, request_id)

    def _gate_names(self) -> set[str]:
        return {entry.name for entry in self.catalog.entries() if entry.name.startswith(GATE_PREFIX)}

    def _observe(self, model: LoadedModel, answer: Answer) -> None:
        self.observe_stage(model, "queue", answer.queue_s)
        self.observe_stage(model, "compute", answer.compute_s)

    def _quality_of(self, model: LoadedModel) -> Quality:
        key = model.name, model.version
        if key not in self._quality:
            self._quality[key] = Quality(*key)
        return self._quality[key]
