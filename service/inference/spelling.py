"""What a line reader's answers say of a strip: characters, how sure each is, and whether it should be believed."""

from typing import Any, NamedTuple

from models import ctc
from service.inference.engine import Outputs
from service.inference.predictions import AMBIGUOUS, NOT_A_DIGIT


class Character(NamedTuple):
    """One character of a strip; `middle` is the column that it was seen at. No digit where it is none."""

    digit: int | None
    confidence: float
    reason: str | None
    middle: float

    def counted(self) -> dict[str, Any]:
        """As a prediction of a single digit, for the signals of quality."""
        return {"digit": self.digit, "confidence": self.confidence, "reason": self.reason}

    @property
    def sign(self) -> str:
        """As it stands in a text."""
        return "?" if self.digit is None else str(self.digit)


def spell(answers: Outputs, columns: int, least: float) -> list[Character]:
    """The characters of a strip of so many columns, from its answers (dtype ANSWER) from left to right.

    One that is less sure than `least` is ambiguous.
    """
    step = columns / len(answers)
    return [_character(seen, answers, step, least) for seen in ctc.spell(answers["label"])]


def _character(seen: ctc.Seen, answers: Outputs, step: float, least: float) -> Character:
    confidence = float(answers["confidence"][seen.first : seen.last].max())
    middle = (seen.first + seen.last) / 2 * step
    if seen.label == ctc.NO_DIGIT:
        return Character(None, confidence, NOT_A_DIGIT, middle)
    return Character(seen.label, confidence, AMBIGUOUS if confidence < least else None, middle)
