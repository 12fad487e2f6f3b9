"""POST /v2/models/{name}[/versions/{version}]/infer: tensors in, tensors out."""

import asyncio
import math
import time
from typing import NamedTuple

import numpy as np
from starlette.requests import Request
from starlette.types import Scope

from service.doors import body
from service.doors.open_inference.answer import Answer, Output, answer
from service.doors.open_inference.faces import Face, Spec, classify, face_of
from service.doors.open_inference.request import (
    HEADER_LENGTH,
    Message,
    Question,
    Wanted,
    decompress,
    may_be_scheduled,
    parse,
    raw,
    split,
)
from service.doors.open_inference.tensors import BYTES, DTYPES, FP32, Array, Tensor, numbers, texts
from service.doors.pictures import Images, Pictures
from service.errors import InvalidInput, TooLarge, UnknownModel
from service.inference.catalog import LoadedModel
from service.inference.engine import Outputs
from service.inference.pipeline import Pipeline
from service.inference.predictions import refuse_several
from service.settings import Settings

SMALL = 4_096  # bytes that are unpacked at once, in 8 ms at worst; more, beside the event loop
ENVELOPE = 128  # bytes of JSON around the numbers


class Rows(NamedTuple):
    """What the model reads, and which seconds that took; `images` where it was pictures."""

    array: Array
    decode_s: float
    images: Images | None = None


class Inference:
    """The handler of the busiest routes of the door."""

    def __init__(self, pipeline: Pipeline, pictures: Pictures, settings: Settings) -> None:
        self._pipeline = pipeline
        self._pictures = pictures
        self._http = settings.http

    async def infer(self, request: Request) -> Answer:
        """Answers one request."""
        deadline = body.deadline_of(request.scope, self._http.timeout_ms)
        model = find(self._pipeline, request)
        face = face_of(model)
        message = await self._message(request, deadline)
        question, deadline = self._admit(request.scope, message, model, face, deadline)
        wanted = _check_outputs(question, face)
        if "version" not in request.path_params:
            model = self._pipeline.rollout.choose(model, question.id or request.state.request_id)
        tensor = self._tensor(question, face)
        with model.admission.expect(tensor.shape[0]):
            rows = await self._rows(tensor, face, deadline)
        readings, model = await self._read(rows, model, question.priority, deadline)
        began = time.perf_counter()
        outputs = [_output(each, face, readings, model) for each in wanted]
        document = {"model_name": model.name, "model_version": str(model.version)}
        if question.id is not None:
            document["id"] = question.id
        response = await answer(document, outputs, body.header(request.scope, b"accept-encoding"))
        self._pipeline.observe_stage(model, "encode", time.perf_counter() - began)
        return response

    async def _message(self, request: Request, deadline: float) -> Message:
        """The body as it was before it was compressed."""
        content = await body.read_bytes(request.scope, request.receive, deadline)
        encoding = body.header(request.scope, b"content-encoding").strip().lower()
        if encoding:
            limit = self._http.max_body_bytes
            if len(content) <= SMALL:
                content = decompress(content, encoding, limit)
            else:
                content = await asyncio.to_thread(decompress, content, encoding, limit)
        return split(content, body.header(request.scope, HEADER_LENGTH))

    def _admit(
        self, scope: Scope, message: Message, model: LoadedModel, face: Face, deadline: float
    ) -> tuple[Question, float]:
        """What is asked, and until when. Whoever says nothing of that is refused before anything is parsed for it."""
        ahead_s = body.ahead_of(scope)
        if is_usual := not may_be_scheduled(message.header or b""):
            rows = min(self._http.max_images, _rows_in(message, face.input))
            model.admission.admit(rows, deadline, ahead_s=ahead_s)
        question = _parse(message, face.input)
        if question.timeout_s is not None:
            due = body.arrival_of(scope) + question.timeout_s
            deadline = min(deadline, due) if body.header(scope, body.TIMEOUT_HEADER) else due
        if not is_usual:
            model.admission.admit(1, deadline, question.priority, ahead_s)
        return question, deadline

    def _tensor(self, question: Question, face: Face) -> Tensor:
        """The only input. Raises InvalidInput and TooLarge."""
        tensor = _only(question.inputs, face.input)
        count, most = tensor.shape[0], self._http.max_images
        if not count:
            raise InvalidInput(f"input {tensor.name!r} must have 1 to {most} rows, got none")
        if count > most:
            raise TooLarge(f"input {tensor.name!r} may have {most} rows, got {count}")
        return tensor

    async def _rows(self, tensor: Tensor, face: Face, deadline: float) -> Rows:
        """The rows of the input. Raises InvalidInput, and what Pictures.read raises."""
        began = time.perf_counter()
        if tensor.datatype == BYTES:
            images = await self._pictures.read(texts(tensor), deadline)
            return Rows(images.images, images.decode_s, images)
        array = numbers(tensor)
        if tensor.datatype != face.input.datatype:
            array = _levels(array, tensor.name)
        elif tensor.datatype == FP32:
            _check_range(array, tensor.name)
        return Rows(array, time.perf_counter() - began)

    async def _read(
        self, rows: Rows, model: LoadedModel, priority: int, deadline: float
    ) -> tuple[Outputs, LoadedModel]:
        """Readings, which are counted, and who has read."""
        self._pipeline.observe_stage(model, "decode", rows.decode_s)
        if rows.images:
            self._pipeline.observe_stage(model, "normalise", rows.images.normalise_s)
        answered, model = await self._pipeline.ask(rows.array, model, deadline, priority)
        readings = answered.outputs
        if rows.images and rows.images.are_several is not None:
            refuse_several(readings, rows.images.are_several)
        if model.kind == "digits":
            self._pipeline.tally(rows.array, readings, model)
        return readings, model


def find(pipeline: Pipeline, request: Request) -> LoadedModel:
    """The model that a path names, of any kind. Raises UnknownModel and NotReady."""
    name, version = request.path_params["name"], request.path_params.get("version")
    try:
        return pipeline.catalog.get(name, None if version is None else number_of(version))
    except UnknownModel as error:
        raise UnknownModel(f"Request for unknown model: {error.message}") from None


def number_of(version: str) -> int:
    """A version in a path. Raises UnknownModel for what no version is called."""
    if not (version.isascii() and version.isdigit() and 0 < len(version) < 10 and int(version)):
        raise UnknownModel(f"versions are whole numbers from 1, got {version[:40]!r}")
    return int(version)


def _rows_in(message: Message, spec: Spec) -> int:
    """About how many rows a message holds, at least 1, told by its length: in JSON a number takes two bytes or more."""
    in_bytes = len(message.behind) // DTYPES[spec.datatype].itemsize
    in_json = (len(message.header or b"") - ENVELOPE) // 2
    return max(1, (in_bytes or in_json) // math.prod(spec.shape[1:]))


def _parse(message: Message, spec: Spec) -> Question:
    if message.header is None:
        return raw(spec.name, spec.datatype, spec.shape[1:], DTYPES[spec.datatype].itemsize, message.behind)
    return parse(message.header, message.behind)


def _only(inputs: list[Tensor], spec: Spec) -> Tensor:
    """The input that the model has. Raises InvalidInput for another one, or another type or shape of it."""
    for tensor in inputs:
        if tensor.name != spec.name:
            raise InvalidInput(f"unexpected inference input {tensor.name!r}; this model takes {spec.name!r}")
    if len(inputs) > 1:
        raise InvalidInput(f"input {spec.name!r} is given {len(inputs)} times")
    [tensor] = inputs
    if tensor.datatype not in (spec.datatype, *spec.others):
        allowed = " or ".join((spec.datatype, *spec.others))
        raise InvalidInput(f"input {spec.name!r} must be {allowed}, got {tensor.datatype}")
    shape = tensor.shape
    row = ((), (1,)) if tensor.datatype == BYTES else (spec.shape[1:],)
    if not shape or shape[1:] not in row:
        wanted = ", or ".join(str([-1, *each]) for each in row)
        raise InvalidInput(f"input {spec.name!r} of {tensor.datatype} must have the shape {wanted}, got {list(shape)}")
    return tensor


def _check_outputs(question: Question, face: Face) -> list[Wanted]:
    """The outputs that are asked for, or else all. Raises InvalidInput for an unknown one, or one named twice."""
    if not question.wanted:
        return [Wanted(spec.name, question.is_binary, 0) for spec in face.outputs]
    names = [wanted.name for wanted in question.wanted]
    if unknown := [name for name in names if name not in face.make]:
        raise InvalidInput(f"unexpected inference output {unknown[0]!r}; this model gives {', '.join(face.make)}")
    if len(set(names)) < len(names):
        raise InvalidInput("an output is asked for twice")
    classified = [spec.name for spec in face.outputs if spec.name == "probabilities" and len(spec.shape) == 2]
    for wanted in question.wanted:
        if wanted.classes and wanted.name not in classified:
            raise InvalidInput(
                f"output {wanted.name!r} has no classification; outputs that have: {', '.join(classified) or 'none'}"
            )
    return question.wanted


def _levels(array: Array, name: str) -> Array:
    """float32 of 0 to 1 as whole levels of 0 to 255. Raises InvalidInput."""
    _check_range(array, name)
    return np.rint(array * np.float32(255)).astype(np.uint8)


def _check_range(array: Array, name: str) -> None:
    if not (array.min() >= 0 and array.max() <= 1):  # nor NaN
        raise InvalidInput(f"input {name!r} of FP32 must hold numbers from 0 to 1")


def _output(wanted: Wanted, face: Face, readings: Outputs, model: LoadedModel) -> Output:
    """A tensor that is asked for."""
    values = face.make[wanted.name](readings)
    if wanted.classes and isinstance(values, np.ndarray):
        most = min(wanted.classes, values.shape[1])
        shape = len(values), most
        return Output(wanted.name, BYTES, shape, classify(values, most, model.bundle.manifest.labels), wanted.is_binary)
    datatype = next(spec.datatype for spec in (*face.outputs, *face.extra) if spec.name == wanted.name)
    shape = values.shape if isinstance(values, np.ndarray) else (len(values),)
    return Output(wanted.name, datatype, shape, values, wanted.is_binary)
