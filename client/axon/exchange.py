"""What is said to a server, without saying it: generators that yield `Request` (send it) or `Wait` (seconds).

A shell sends what is yielded and gives back an `Answer`, or a `Lost` where the connection failed; both shells, sync and
async, drive the same generators, so that there is one set of rules.
"""

import json
import re
import time
from collections.abc import Generator, Sequence
from typing import Any, NamedTuple, cast

import numpy as np

from axon.protocol import Answer, ProtocolError, Request, Tensor, infer, outputs_of
from axon.readings import Item, Reading
from axon.retry import PASSING, Policy, retry_after

UNREADABLE = {400, 413, 415, 422}  # the server's verdict on what was sent, not on who sent it
OUTPUTS = ("probabilities", "digits", "reasons")
NAMED = re.compile(r"images\[(\d+)\]")


class Wait(NamedTuple):
    """Seconds to wait."""

    seconds: float


class Lost(NamedTuple):
    """No answer came; why."""

    reason: str


class ServerError(Exception):
    """An answer that is an error: its HTTP status, and the server's sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{message} (HTTP {status})")
        self.status = status
        self.message = message


class Unreachable(Exception):
    """No answer, however often asked."""


Steps = Generator[Request | Wait, Answer | Lost | None, Any]


def ask(request: Request, policy: Policy) -> Steps:
    """Returns the Answer of a success. Raises ServerError and Unreachable."""
    began, tried = time.monotonic(), 0
    while True:
        outcome = yield request
        tried += 1
        if isinstance(outcome, Answer) and outcome.status not in PASSING:
            if outcome.status != 200:
                raise ServerError(outcome.status, message_of(outcome))
            return outcome
        asked_s = retry_after(outcome.headers) if isinstance(outcome, Answer) else None
        wait_s = policy.wait(tried, time.monotonic() - began, asked_s)
        if wait_s is None:
            raise _gave_up(outcome)
        yield Wait(wait_s)


def classify(items: Sequence[Item], model: str, version: int | None, policy: Policy) -> Steps:
    """Returns a Reading for each item, in order. One that the server cannot read does not cost its neighbours."""
    readings = {place: Reading(item.source, error=item.error) for place, item in enumerate(items) if item.error}
    parts = [[place for place in range(len(items)) if place not in readings]]
    while parts:
        part = parts.pop()
        if not part:
            continue
        request = infer(model, version, "images", _tensor([items[place] for place in part]), OUTPUTS)
        try:
            answer = yield from ask(request, policy)
        except ServerError as error:
            if error.status not in UNREADABLE:
                raise
            bad = _named(error, len(part))
            if bad is not None:
                readings[part[bad]] = Reading(items[part[bad]].source, error=_without_place(error.message))
                parts += [part[:bad], part[bad + 1 :]]
            else:
                parts += [part[: len(part) // 2], part[len(part) // 2 :]]
        else:
            names = [items[place].source for place in part]
            readings |= zip(part, read(names, answer), strict=True)
    return [readings[place] for place in range(len(items))]


def gate(name: str, rows: Sequence[Sequence[float]], policy: Policy) -> Steps:
    """Returns what a gate says to rows of two numbers: a list of 0 and 1."""
    request = infer(f"gate-{name}", None, "inputs", np.asarray(rows, np.float32), ("outputs",))
    outputs = outputs_of((yield from ask(request, policy)))
    return [int(fires) for fires in cast(Any, outputs["outputs"]).ravel()]


def models(policy: Policy) -> Steps:
    """Returns every version with its state, as the repository index has them."""
    answer = yield from ask(Request("POST", "/v2/repository/index"), policy)
    return json.loads(answer.content)


def read(names: Sequence[str], answer: Answer) -> list[Reading]:
    """The readings in an answer. Raises ProtocolError where they are not as many as were asked for."""
    outputs = outputs_of(answer)
    try:
        probabilities, digits, reasons = (cast(Any, outputs[output]) for output in OUTPUTS)
        rows = list(zip(names, probabilities.tolist(), digits.tolist(), reasons, strict=True))
    except (KeyError, ValueError, AttributeError) as error:
        raise ProtocolError(f"the answer is not one of a digit reader: {error!r}") from error
    return [
        Reading(name, digit, row[digit], tuple(row), not reason, reason.decode() or None)
        for name, row, digit, reason in rows
    ]


def message_of(answer: Answer) -> str:
    """The sentence of an error, or the beginning of what is not the error shape."""
    try:
        return str(json.loads(answer.content)["error"])
    except (ValueError, KeyError, TypeError):
        return answer.content[:200].decode(errors="replace") or "no message"


def _tensor(items: Sequence[Item]) -> Tensor:
    contents: list[Any] = [item.content for item in items]
    return contents if isinstance(contents[0], bytes) else np.stack(contents)


def _named(error: ServerError, count: int) -> int | None:
    """The place of the item that an error names; the only one is meant anyway."""
    if count == 1:
        return 0
    found = NAMED.search(error.message)
    return int(found[1]) if found and int(found[1]) < count else None


def _without_place(message: str) -> str:
    """The place is that in a request, which means nothing to who asked."""
    return NAMED.sub("picture", message, count=1)


def _gave_up(outcome: Answer | Lost | None) -> Exception:
    if isinstance(outcome, Answer):
        return ServerError(outcome.status, message_of(outcome))
    return Unreachable(outcome.reason if outcome else "nothing was answered")
