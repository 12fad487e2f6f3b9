"""POST /v1/numbers: a picture with several digits in, what is written in it out."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from starlette.requests import Request

from service.doors import body, intake
from service.doors.pictures import Pictures, Written
from service.doors.rest.digits import FORM, IMAGE_TYPES, PART
from service.doors.rest.exchange import Answer, Parser, answer, flag, parse_query, reference, version
from service.errors import JSON, InvalidInput, NotAnImage, UnusableInput
from service.imaging.segment import Box, Mark
from service.inference.catalog import LoadedModel
from service.inference.pipeline import Pipeline, WrittenDigit
from service.inference.predictions import BLANK, NOT_A_DIGIT
from service.settings import Settings

DEFAULT_MODEL = "line"
SECOND_READER = "cnn"  # looks at digits that stand alone
MOST_DIGITS = 20
USUAL_ROWS = 1  # strips of a picture: what is expected of one before it is decoded

_QUERY: Mapping[str, Parser] = {
    "model": str,
    "version": version,
    "decimal": flag("decimal"),
    "minus": flag("minus"),
}


class Question(NamedTuple):
    """What is asked about the picture."""

    reader: LoadedModel
    second: LoadedModel | None
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
        question = self._ask(request.state.request_id, **parse_query(request, _QUERY))
        batcher = question.reader.admission
        batcher.admit(USUAL_ROWS, deadline, ahead_s=body.ahead_of(request.scope))
        picture = await self._picture(request, deadline)
        with batcher.expect(USUAL_ROWS):
            written = await self._pictures.read_number(picture, deadline)
        document = await self._spell(written, question, deadline)
        return answer(document | {"request_id": request.state.request_id})

    def _ask(
        self,
        request_id: str,
        model: str = DEFAULT_MODEL,
        version: int | None = None,
        decimal: bool = False,
        minus: bool = False,
    ) -> Question:
        reader = self._pipeline.line_reader(model, version, request_id)
        return Question(reader, self._pipeline.second_reader(SECOND_READER), decimal, minus)

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
        reader, writing = question.reader, written.writing
        self._pipeline.observe_stage(reader, "decode", written.decode_s)
        self._pipeline.observe_stage(reader, "segment", written.segment_s)
        if not writing.strips:
            timing = _timing(written, 0, 0)
            return _document("", [], [], reader, timing) | {"accepted": False, "reason": BLANK}
        result = await self._pipeline.read_number(writing.strips, reader, question.second, deadline)
        if len(result.digits) > MOST_DIGITS:
            raise UnusableInput(f"a picture may have 1 to {MOST_DIGITS} digits, got {len(result.digits)}")
        digits = [_digit(written_digit, written.reduced) for written_digit in result.digits]
        wanted = {".": question.decimal, "-": question.minus}
        marks = [_mark(mark, written.reduced) for mark in writing.marks if wanted[mark.sign]]
        signs = [each.verdict.sign for each in result.digits]
        text = _text([(digit["line"], digit["box"], sign) for digit, sign in zip(digits, signs, strict=True)], marks)
        reason = next((digit["reason"] for digit in digits if digit["reason"]), None if digits else NOT_A_DIGIT)
        timing = _timing(written, result.queue_s, result.compute_s)
        return _document(text, digits, marks, result.model, timing) | {"accepted": reason is None, "reason": reason}


def _document(
    text: str, digits: list[dict[str, Any]], marks: list[dict[str, Any]], reader: LoadedModel, timing: dict[str, float]
) -> dict[str, Any]:
    return {"text": text, "digits": digits, "marks": marks, "model": reference(reader), "timing_ms": timing}


def _digit(written: WrittenDigit, reduced: tuple[float, float]) -> dict[str, Any]:
    digit, confidence, reason = written.verdict
    document = {"digit": digit, "confidence": confidence, "accepted": reason is None, "reason": reason}
    return document | {"box": _box(written.box, reduced), "line": written.line}


def _mark(mark: Mark, reduced: tuple[float, float]) -> dict[str, Any]:
    return {"mark": mark.sign, "box": _box(mark.box, reduced), "line": mark.line}


def _box(box: Box, reduced: tuple[float, float]) -> list[int]:
    """Left, top, width and height in pixels of the picture that was sent."""
    return [round(side * reduced[axis % 2]) for axis, side in enumerate(box)]


def _text(digits: list[tuple[int, list[int], str]], marks: list[dict[str, Any]]) -> str:
    """Digits in their order; a mark goes before the first digit whose middle is to its right."""
    lines: dict[int, list[tuple[float, str]]] = {}
    for line, box, sign in [*digits, *((mark["line"], mark["box"], mark["mark"]) for mark in marks)]:
        lines.setdefault(line, []).append((box[0] + box[2] / 2, sign))
    return "\n".join("".join(sign for _, sign in sorted(lines[line])) for line in sorted(lines))


def _timing(written: Written, queue_s: float, compute_s: float) -> dict[str, float]:
    stages = {"decode": written.decode_s, "segment": written.segment_s, "queue": queue_s, "compute": compute_s}
    return {stage: round(seconds * 1e6) / 1e3 for stage, seconds in stages.items()}
