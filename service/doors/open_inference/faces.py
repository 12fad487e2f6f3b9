"""What the models look like in the Open Inference Protocol: their tensors in, and how readings become tensors out.

kind     takes                                       gives
digits   images UINT8 or FP32 [-1, 28, 28]           probabilities FP32 [-1, 10], digits INT64 [-1]
         or BYTES [-1], picture files                and on request reasons BYTES [-1], "" where it is accepted
gates    inputs FP32 [-1, 2]                         probabilities FP32 [-1, 1], outputs INT64 [-1, 1]
lines    images UINT8 [-1, 32, 320]                  probabilities FP32 [-1, 160, 12], texts BYTES [-1]
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from models import ctc
from service.doors.open_inference.tensors import BYTES, FP32, INT64, UINT8, Array, Shape
from service.inference.catalog import Kind, LoadedModel
from service.inference.engine import Outputs
from service.inference.predictions import VERDICTS

Values = Array | Sequence[bytes]


class Spec(NamedTuple):
    """A tensor: its name, its datatype, its shape, -1 for the batch; and the other datatypes that it may come in."""

    name: str
    datatype: str
    shape: Shape
    others: tuple[str, ...] = ()


class Face(NamedTuple):
    """The tensors of a kind of model. `extra` are given to who names them. `make` has a maker for each tensor out."""

    input: Spec
    outputs: tuple[Spec, ...]
    extra: tuple[Spec, ...]
    make: Mapping[str, Callable[[Outputs], Values]]


_DIGITS: Mapping[str, Callable[[Outputs], Values]] = {
    "probabilities": lambda readings: readings["probabilities"].astype(np.float32),
    "digits": lambda readings: readings["probabilities"].argmax(axis=1),
    "reasons": lambda readings: [(VERDICTS[verdict] or "").encode() for verdict in readings["verdict"].tolist()],
}
_GATES: Mapping[str, Callable[[Outputs], Values]] = {
    "probabilities": lambda readings: readings[:, None].astype(np.float32),
    "outputs": lambda readings: (readings[:, None] > 0.5).astype(np.int64),
}
_LINES: Mapping[str, Callable[[Outputs], Values]] = {
    "probabilities": lambda readings: readings.astype(np.float32),
    "texts": lambda readings: [_text(answers).encode() for answers in ctc.best(readings)],
}


def face_of(model: LoadedModel) -> Face:
    """The tensors of a model."""
    manifest = model.bundle.manifest
    return _FACES[model.kind](manifest.input.shape, manifest.output.shape)


def _of_digits(takes: Shape, gives: Shape) -> Face:
    outputs = Spec("probabilities", FP32, gives), Spec("digits", INT64, gives[:1])
    return Face(Spec("images", UINT8, takes, (FP32, BYTES)), outputs, (Spec("reasons", BYTES, gives[:1]),), _DIGITS)


def _of_gates(takes: Shape, gives: Shape) -> Face:
    outputs = Spec("probabilities", FP32, gives), Spec("outputs", INT64, gives)
    return Face(Spec("inputs", FP32, takes), outputs, (), _GATES)


def _of_lines(takes: Shape, gives: Shape) -> Face:
    outputs = Spec("probabilities", FP32, gives), Spec("texts", BYTES, gives[:1])
    return Face(Spec("images", UINT8, takes), outputs, (), _LINES)


_FACES: Mapping[Kind, Callable[[Shape, Shape], Face]] = {"digits": _of_digits, "gates": _of_gates, "lines": _of_lines}


def classify(values: Array, most: int, labels: Sequence[str]) -> list[bytes]:
    """The `most` likeliest classes of each row, best first, as "value:index:label" (classification extension).

    A label stands where there is one for each class; a gate has one probability, and its labels are not of classes.
    """
    named = [f":{label}" for label in labels] if len(labels) == values.shape[1] else [""] * values.shape[1]
    best = np.argsort(-values, axis=1, kind="stable")[:, :most]
    return [
        f"{values[row, index]:f}:{index}{named[index]}".encode()
        for row, indices in enumerate(best.tolist())
        for index in indices
    ]


def _text(answers: Any) -> str:
    return "".join("?" if seen.label == ctc.NO_DIGIT else str(seen.label) for seen in ctc.spell(answers))
