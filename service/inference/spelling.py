"""What a line reader's answers say of a strip: characters, what each may be, and whether it should be believed."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models import ctc
from service.inference.engine import Outputs
from service.inference.predictions import AMBIGUOUS, NOT_A_DIGIT, verdict_of

Beliefs = NDArray[np.float64]


class Character(NamedTuple):
    """One character of a strip: what it may be, float64[11], the last being no digit; and the column it was seen at.

    `doubt` is why a second reader refuses it.
    """

    beliefs: Beliefs
    middle: float
    doubt: str | None = None


class Verdict(NamedTuple):
    """The best digit, None where it is none; its calibrated probability; and why it should not be believed."""

    digit: int | None
    confidence: float
    reason: str | None

    @property
    def sign(self) -> str:
        """As it stands in a text."""
        return "?" if self.digit is None else str(self.digit)


def spell(answers: Outputs, columns: int) -> list[Character]:
    """The characters of a strip of so many columns, from left to right, by probabilities float64[T, 12]."""
    step = columns / len(answers)
    return [_character(seen, answers, step) for seen in ctc.spell(ctc.best(answers))]


def look_again(character: Character, reading: Outputs) -> Character:
    """What a reader of single digits makes of a character that stands alone, for it knows those better.

    No digit is only what neither of both takes for one.
    """
    doubt = verdict_of(reading)
    if doubt and character.beliefs.argmax() == ctc.NO_DIGIT:
        return character
    return Character(np.append(reading["probabilities"], 0.0), character.middle, doubt)


def judge(character: Character, least: float) -> Verdict:
    """One that a second reader doubts, or that is less sure than `least`, is refused."""
    best = int(character.beliefs.argmax())
    confidence = float(character.beliefs[best])
    if best == ctc.NO_DIGIT:
        return Verdict(None, confidence, NOT_A_DIGIT)
    return Verdict(best, confidence, character.doubt or (AMBIGUOUS if confidence < least else None))


def _character(seen: ctc.Seen, answers: Outputs, step: float) -> Character:
    """Where it is clearest, as far as it is a character at all."""
    said = answers[seen.first : seen.last]
    clearest = said[said[:, seen.label].argmax(), : ctc.NO_DIGIT + 1]
    return Character(clearest, (seen.first + seen.last) / 2 * step)
