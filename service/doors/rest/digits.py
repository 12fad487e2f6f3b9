"""POST /v1/digits: pictures in, predictions out."""

import time
from typing import Any, NamedTuple

from starlette.requests import Request

from service.doors import body, intake
from service.doors.pictures import Images, Pictures
from service.doors.rest.exchange import Answer, Parser, answer, flag, parse_query, reference, version, whole
from service.errors import JSON, InvalidInput, NotAnImage, TooLarge
from service.inference.catalog import LoadedModel
from service.inference.pipeline import DigitsResult, Pipeline
from service.settings import Settings

DEFAULT_MODEL = "cnn"
DEFAULT_TOP_K = 3
DIGITS = 10
MOST_EXPLAINED = 16  # images of a request: each costs as much as 130 that are only read
PICTURES = ("png", "jpeg", "webp", "bmp", "tiff", "gif")
IMAGE_TYPES = (*(f"image/{picture}" for picture in PICTURES), "application/octet-stream")
FORM = "multipart/form-data"
PART = "image"

_QUERY: dict[str, Parser] = {
    "model": str,
    "version": version,
    "top_k": whole("top_k", 1, DIGITS),
    "explain": flag("explain"),
}


class Question(NamedTuple):
    """What is asked about the images."""

    reader: LoadedModel
    top_k: int
    explain: bool


class Digits:
    """The handler of the busiest route, and what it shares with the Bento door."""

    def __init__(self, pipeline: Pipeline, settings: Settings) -> None:
        self._pipeline = pipeline
        self._http = settings.http
        self.pictures = Pictures(settings.imaging.max_pixels)

    async def read(self, request: Request) -> Answer:
        """Reads one or many pictures, in whichever form they come."""
        deadline = body.deadline_of(request.scope, self._http.timeout_ms)
        question = self.ask(request.state.request_id, **parse_query(request, _QUERY))
        batcher, rows = question.reader.admission, body.rows_in(request.scope, self._http.max_images)
        batcher.admit(rows, deadline, ahead_s=body.ahead_of(request.scope))
        content = await self._content(request, deadline)
        with batcher.expect(rows):
            images = await self._images(content, deadline)
        document = await self.predict(images, question, deadline, request.state.request_id)
        began = time.perf_counter()
        response = answer(document)
        self._pipeline.observe_stage(question.reader, "encode", time.perf_counter() - began)
        return response

    def ask(
        self,
        request_id: str,
        model: str = DEFAULT_MODEL,
        version: int | None = None,
        top_k: int = DEFAULT_TOP_K,
        explain: bool = False,
    ) -> Question:
        """Checks what is asked before anything is decoded for it. Raises UnknownModel, NotReady or InvalidInput.

        The default explains itself: an explanation is 130 readings more, which no canary is asked for.
        """
        if not 1 <= top_k <= DIGITS:
            raise InvalidInput(f"top_k must be a whole number from 1 to {DIGITS}, got {top_k}")
        return Question(self._pipeline.reader(model, version, None if explain else request_id), top_k, explain)

    async def predict(self, images: Images, question: Question, deadline: float, request_id: str) -> dict[str, Any]:
        """The whole answer for images that are checked. Raises Overloaded, DeadlineExceeded, NotReady."""
        reader = question.reader
        if question.explain and len(images.images) > MOST_EXPLAINED:
            raise TooLarge(f"explain=true takes at most {MOST_EXPLAINED} images, got {len(images.images)}")
        self._pipeline.observe_stage(reader, "decode", images.decode_s)
        self._pipeline.observe_stage(reader, "normalise", images.normalise_s)
        result = await self._pipeline.read(images.images, reader, question.top_k, deadline, images.are_several)
        timing = _timing(images, result)
        if question.explain:
            began = time.perf_counter()
            explanations = await self._pipeline.explain(images.images, result, result.model, deadline)
            for prediction, explanation in zip(result.predictions, explanations, strict=True):
                prediction.update(explanation)
            timing["explain"] = _milliseconds(time.perf_counter() - began)
        return {
            "predictions": result.predictions,
            "model": reference(result.model),
            "timing_ms": timing,
            "request_id": request_id,
        }

    async def from_items(self, items: Any, deadline: float, with_booleans: bool = True) -> Images:
        """Images of a JSON list. Raises what intake raises."""
        counted = intake.count(items, "images", self._http.max_images)
        return await intake.digits_from_items(counted, self.pictures, deadline, with_booleans)

    async def _content(self, request: Request, deadline: float) -> bytes | list[bytes]:
        """The text of a JSON body, or the files that any other one holds."""
        media_type = body.media_type_of(request.scope)
        if media_type == JSON:
            return await body.read_bytes(request.scope, request.receive, deadline)
        if media_type == FORM:
            files = await body.read_parts(request, deadline, PART, self._http.max_images, self._http.max_body_bytes)
            if not files:
                raise InvalidInput(f'the form must have one or more parts called "{PART}", got none')
            return files
        if media_type in IMAGE_TYPES:
            return [await body.read_bytes(request.scope, request.receive, deadline)]
        allowed = ", ".join((*IMAGE_TYPES, FORM, JSON))
        raise NotAnImage(f"Content-Type must be one of {allowed}; got {media_type or 'none'}")

    async def _images(self, content: bytes | list[bytes], deadline: float) -> Images:
        if isinstance(content, list):
            return await self.pictures.read(content, deadline)
        items = intake.member(intake.parse_json(content), "images")
        return await self.from_items(items, deadline, intake.may_hold_booleans(content))


def _timing(images: Images, result: DigitsResult) -> dict[str, float]:
    stages = {
        "decode": images.decode_s,
        "normalise": images.normalise_s,
        "queue": result.answer.queue_s,
        "compute": result.answer.compute_s,
    }
    return {stage: _milliseconds(seconds) for stage, seconds in stages.items()}


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1e6) / 1e3
