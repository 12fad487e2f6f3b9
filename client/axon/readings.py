"""What is asked and what is answered: an item, and the reading of it."""

from typing import Any, NamedTuple

from numpy.typing import NDArray


class Item(NamedTuple):
    """A picture file's bytes, or uint8[28, 28]; or else what kept it from being read."""

    source: str
    content: bytes | NDArray[Any] | None
    error: str | None = None


class Reading(NamedTuple):
    """What was read of one source.

    `digit` is the best guess, `reason` says why it is refused, `error` why there is none.
    """

    source: str
    digit: int | None = None
    confidence: float | None = None
    probabilities: tuple[float, ...] = ()
    accepted: bool = False
    reason: str | None = None
    error: str | None = None
