"""POST /v1/numbers: a picture with several digits in, what is written in it out."""

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from starlette.requests import Request

from service.doors import body, intake
from service.doors.pictures import Pictures, Written
from service.doors.rest.digits import DEFAULT_MODEL, FORM, IMAGE_TYPES, PART
from service.doors.rest.exchange import Answer, Parser, answer, flag, parse_query, reference, version
from service.errors import JSON, InvalidInput, NotAnImage, UnusableInput
from service.imaging.segment import Candidate, Mark
from service.inference import spelling
from service.inference.catalog import LoadedModel
from service.inference.pipeline import Pipeline
from service.inference.predictions import BLANK
from service.settings import Settings

MOST_DIGITS = 20

_QUERY: Mapping[str, Parser] = {
    "model": str,
    "version": version,
    "decimal": flag("decimal"),
    "minus": flag("minus"),
}


class Question(NamedTuple):
    """What is asked about the picture."""

    reader: LoadedModel
    decimal: bool
    minus: bool


class Numbers:
    """The handler of the route."""

    def __init__(self, pipeline: Pipeline, pictures: Pictures, settings: Settings) -> None:
        self._pipeline = pipeline
        self._pictures = pictures
        self._http = settings.http

    async def read(self, request: Request) -> Answer:
        """Reads one picture: every digit in it, line by line."""
        deadline = body.deadline_of(request.scope, self._http.timeout_ms)
        question = self._ask(**parse_query(request, _QUERY))
        ahead_s = request.scope["state"].get(body.AHEAD, 0.0)
        with question.reader.batcher.expect(spelling.USUAL_ROWS, deadline, ahead_s):
            written = await self._pictures.read_number(await self._picture(request, deadline), deadline)
        document = await self._spell(written, question, deadline)
        return answer(document | {"request_id": request.state.request_id})

    def _ask(
        self, model: str = DEFAULT_MODEL, version: int | None = None, decimal: bool = False, minus: bool = False
    ) -> Question:
        return Question(self._pipeline.reader(model, version), decimal, minus)

    async def _picture(self, request: Request, deadline: float) -> bytes:
        media_type = body.media_type_of(request.scope)
        if media_type == FORM:
            files = await body.read_parts(request, deadline, PART, 1, self._http.max_body_bytes)
            if not files:
                raise InvalidInput(f'the form must have one part called "{PART}", got none')
            return files[0]
        if media_type in IMAGE_TYPES or media_type == JSON:
            content = await body.read_bytes(request.scope, request.receive, deadline)
            return intake.picture_text(intake.parse_json(content)) if media_type == JSON else content
        allowed = ", ".join((*IMAGE_TYPES, FORM, JSON))
        raise NotAnImage(f"Content-Type must be one of {allowed}; got {media_type or 'none'}")

    async def _spell(self, written: Written, question: Question, deadline: float) -> dict[str, Any]:
        """The whole answer but its id. Raises UnusableInput for too many digits, and what Batcher.submit raises."""
        reader, lattice = question.reader, written.lattice
        self._pipeline.observe_stage(reader.name, "decode", written.decode_s)
        self._pipeline.observe_stage(reader.name, "segment", written.segment_s)
        if not lattice.candidates:
            timing = _timing(written, 0, 0, 0)
            return _document("", [], [], reader, timing) | {"accepted": False, "reason": BLANK}
        considered = await self._pipeline.consider(lattice.images, reader, deadline)
        began = time.perf_counter()
        path = spelling.spell(lattice, considered.outputs)
        if len(path) > MOST_DIGITS:
            raise UnusableInput(f"a picture may have 1 to {MOST_DIGITS} digits, got about {len(path)}")
        predictions = self._pipeline.tell(lattice.images[path], considered.outputs[path], reader, top_k=1)
        candidates = [lattice.candidates[number] for number in path]
        digits = [
            _digit(prediction, candidate, written.reduced)
            for prediction, candidate in zip(predictions, candidates, strict=True)
        ]
        wanted = {".": question.decimal, "-": question.minus}
        marks = [mark for mark in lattice.marks if wanted[mark.sign]]
        timing = _timing(written, considered.queue_s, considered.compute_s, time.perf_counter() - began)
        reason = next((digit["reason"] for digit in digits if digit["reason"]), None)
        shown = [_mark(mark, written.reduced) for mark in marks]
        text = _text([(digit["line"], digit["box"], str(digit["digit"])) for digit in digits], shown)
        return _document(text, digits, shown, reader, timing) | {"accepted": reason is None, "reason": reason}


def _document(
    text: str, digits: list[dict[str, Any]], marks: list[dict[str, Any]], reader: LoadedModel, timing: dict[str, float]
) -> dict[str, Any]:
    return {"text": text, "digits": digits, "marks": marks, "model": reference(reader), "timing_ms": timing}


def _digit(prediction: dict[str, Any], candidate: Candidate, reduced: tuple[float, float]) -> dict[str, Any]:
    kept = {key: prediction[key] for key in ("digit", "confidence", "accepted", "reason")}
    return kept | {"box": _box(candidate.box, reduced), "line": candidate.line}


def _mark(mark: Mark, reduced: tuple[float, float]) -> dict[str, Any]:
    return {"mark": mark.sign, "box": _box(mark.box, reduced), "line": mark.line}


def _box(box: tuple[int, int, int, int], reduced: tuple[float, float]) -> list[int]:
    """Left, top, width and height in pixels of the picture that was sent."""
    return [round(side * reduced[axis % 2]) for axis, side in enumerate(box)]


def _text(digits: list[tuple[int, list[int], str]], marks: list[dict[str, Any]]) -> str:
    """Digits in their order; a mark goes before the first digit whose middle is to its right."""
    lines: dict[int, list[tuple[float, str]]] = {}
    for line, box, sign in [*digits, *((mark["line"], mark["box"], mark["mark"]) for mark in marks)]:
        lines.setdefault(line, []).append((box[0] + box[2] / 2, sign))
    return "\n".join("".join(sign for _, sign in sorted(lines[line])) for line in sorted(lines))


def _timing(written: Written, queue_s: float, compute_s: float, spell_s: float) -> dict[str, float]:
    stages = {
        "decode": written.decode_s,
        "segment": written.segment_s,
        "queue": queue_s,
        "compute": compute_s,
        "spell": spell_s,
    }
    return {stage: round(seconds * 1e6) / 1e3 for stage, seconds in stages.items()}
