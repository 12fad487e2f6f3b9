"""Has another version read what was answered, beside the answers and never before them, and says where they agree.

What waits is bounded, and is dropped where there is no time for it. One comparison runs at a time, on the thread of the
engine that is asked, while no engine of the worker has anything to answer and the event loop wakes up in time. What a
canary has answered is compared after a second even so, for its trial must come to an end under load too.
"""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.ctc import best, spell
from service.errors import AxonError
from service.inference.batcher import QUICK_S
from service.inference.catalog import Kind, LoadedModel
from service.inference.engine import Outputs, Rows
from service.inference.predictions import BLANK, VERDICTS

log = logging.getLogger(__name__)

MOST_ROWS = 32  # of a request: whoever comes meanwhile waits for them, 2 ms at most with the published readers
PAUSE_S = 0.005  # before each comparison
PATIENCE_S = 10.0  # that the other version has to read a case, which is as long as a client waits by default
_REST = 4  # times as long as the comparison before took: a fifth of a core at most


class Agreement(NamedTuple):
    """Row by row: whether both versions say the same, how far their confidences, 0 to 1, are apart, and the other's."""

    is_same: NDArray[np.bool_]
    difference: NDArray[np.float64]
    confidence: NDArray[np.float64]


class Compared(NamedTuple):
    """What came of so many rows; no agreement where the other version failed. Its batch took so many seconds."""

    rows: int
    agreement: Agreement | None = None
    compute_s: float = 0.0


class Case(NamedTuple):
    """What was answered, who shall read it too, and who is told of it; `due` is when that is put off no more."""

    rows: Rows
    outputs: Outputs
    other: LoadedModel
    tell: Callable[[Compared], None]
    drop: Callable[[], None]
    due: float  # of the event loop's clock


class Comparisons:
    """Those of one worker. `models` gives those that serve; `most_rows` is how many rows of a model may wait."""

    def __init__(self, models: Callable[[], Iterable[LoadedModel]], most_rows: int) -> None:
        self._models = models
        self._most_rows = most_rows
        self._waiting: deque[Case] = deque()
        self._rows: Counter[str] = Counter()  # that wait, by model; summed anew they would cost a third of an answer
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting_rows(self) -> int:
        """Rows that wait."""
        return self._rows.total()

    def offer(self, case: Case) -> None:
        """Compares a copy of the first rows when there is time; drops the case where too many of its model wait."""
        name, rows = case.other.name, min(len(case.rows), MOST_ROWS)
        if self._rows[name] + rows > self._most_rows:
            case.drop()
            return
        self._rows[name] += rows
        self._waiting.append(case._replace(rows=case.rows[:rows].copy(), outputs=case.outputs[:rows].copy()))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())

    async def _work(self) -> None:
        pause_s = PAUSE_S
        loop = asyncio.get_running_loop()
        while self._waiting:
            due = loop.time() + pause_s
            await asyncio.sleep(pause_s)
            is_busy = loop.time() - due > QUICK_S or any(each.batcher.inflight_requests for each in self._models())
            if is_busy and loop.time() < self._waiting[0].due:
                continue  # the loop has more to do than it can, or somebody waits
            case = self._waiting.popleft()
            self._rows[case.other.name] -= len(case.rows)
            began = loop.time()
            try:
                await _compare(case)
            except Exception:
                log.exception("comparison_failed model=%s version=%d", case.other.name, case.other.version)
                case.tell(Compared(len(case.rows)))
            pause_s = max(PAUSE_S, _REST * (loop.time() - began))


async def _compare(case: Case) -> None:
    running = case.other.batcher.run_aside(case.rows)
    if running is None:
        case.drop()
        return
    try:
        async with asyncio.timeout(PATIENCE_S):
            answer = await running
    except (AxonError, TimeoutError):
        case.tell(Compared(len(case.rows)))
        return
    agreement = compare(case.other.kind, case.outputs, answer.outputs)
    case.tell(Compared(len(case.rows), agreement, answer.compute_s))


def compare(kind: Kind, one: Outputs, other: Outputs) -> Agreement:
    """What two versions of a kind made of the same rows, N of them."""
    match kind:
        case "gates":
            return Agreement((one > 0.5) == (other > 0.5), np.abs(one - other), other)
        case "digits":
            return _digits(one, other)
        case "lines":
            said = zip(best(one), best(other), strict=True)
            same = [[each.label for each in spell(a)] == [each.label for each in spell(b)] for a, b in said]
            sure, surely = _surest(one).mean(axis=-1), _surest(other).mean(axis=-1)
            return Agreement(np.array(same), np.abs(sure - surely), surely)


def _digits(one: Outputs, other: Outputs) -> Agreement:
    """The best guess and the verdict; where there is nothing to read, guesses mean nothing."""
    said, says = one["probabilities"], other["probabilities"]
    is_blank = (one["verdict"] == other["verdict"]) & (one["verdict"] == VERDICTS.index(BLANK))
    is_same = (said.argmax(axis=-1) == says.argmax(axis=-1)) & (one["verdict"] == other["verdict"])
    return Agreement(is_same | is_blank, np.abs(_surest(said) - _surest(says)), _surest(says))


def _surest(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(probabilities.max(axis=-1))
