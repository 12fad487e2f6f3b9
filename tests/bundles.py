"""Small bundles whose answers can be computed by eye, for tests that need a model but no training.

The fake reader's logit of digit k is the pixel at row 0, column k, over 25.5: one bright pixel there gives logit 10.
One with a trap raises, hangs or is slow, in the real engine, on a batch that has an image whose last pixel is bright.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save

from models import bundle
from models.manifest import Manifest

SCALE = np.float32(1 / 25.5)
# Of a loop, for each level of the last pixel: years, and seconds. White is 3 s on a core of an AMD EPYC, seven times
# what a test does meanwhile; on one five times as slow it is half of the 30 s after which a worker is replaced.
TURNS = {"hang": 10**15, "slow": 30_000}


def image_of(digit: int) -> np.ndarray:
    """What the fake reader reads as `digit`."""
    image = np.zeros((28, 28), np.uint8)
    image[0, digit] = 255
    return image


def manifest(name: str = "fake", version: int = 1, **changes: Any) -> Manifest:
    """A complete manifest of the fake reader."""
    document: dict[str, Any] = {
        "name": name,
        "version": version,
        "created": datetime(2026, 1, 1, tzinfo=UTC),
        "network": {"kind": "cnn", "config": {}, "parameters": 1, "multiply_adds": 1},
        "input": {"name": "images", "dtype": "uint8", "shape": (-1, 28, 28), "polarity": "light_on_dark"},
        "output": {"name": "logits", "dtype": "float32", "shape": (-1, 10)},
        "labels": tuple("0123456789"),
        "metrics": {"onnx_max_difference": 0.0},
        "cost": {"us_per_input": 1.0, "threads": 1, "hardware": "none"},
        "provenance": {
            "git_commit": "0" * 40,
            "command": "python -m training fake",
            "recipe": {},
            "seed": 0,
            "dataset": "none",
            "dataset_files": {},
            "split": "none",
            "versions": {},
            "hardware": "none",
            "duration_s": 0.0,
        },
    }
    return Manifest.model_validate(document | changes)


def trapped(digit: int, level: int = 255) -> np.ndarray:
    """An image that springs the trap of a reader that has one, and is read the more slowly the higher the level."""
    image = image_of(digit)
    image[27, 27] = level
    return image


def _trap(kind: str) -> list[onnx.NodeProto]:
    """Nodes from `pixels` to `nothing`, a zero: a lookup beyond a table of one, or a loop of very many turns."""
    nodes = [
        helper.make_node("Gather", ["pixels", "last"], ["corner"], axis=1),
        helper.make_node("ReduceMax", ["corner"], ["brightest"], keepdims=0),
        helper.make_node("Cast", ["brightest"], ["index"], to=TensorProto.INT64),
    ]
    if kind == "raise":
        return [*nodes, helper.make_node("Gather", ["zero_table", "index"], ["nothing"])]
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["going"], ["goes_on"]),
            helper.make_node("Identity", ["carried"], ["carries"]),
        ],
        "turn",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_value_info("carried", TensorProto.FLOAT, []),
        ],
        [
            helper.make_tensor_value_info("goes_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("carries", TensorProto.FLOAT, []),
        ],
    )
    return [
        *nodes,
        helper.make_node("Mul", ["index", "many"], ["turns"]),
        helper.make_node("Loop", ["turns", "", "zero"], ["nothing"], body=body),
    ]


def graph(trap: str | None = None, scale: float = 1.0, shift: int = 0) -> bytes:
    """The fake reader as ONNX: uint8[N, 28, 28] -> float32[N, 10]; its logits may be of another scale, or digit."""
    weights = np.zeros((784, 10), np.float32)
    weights[:10] = np.roll(np.eye(10, dtype=np.float32), shift, axis=1) * SCALE * np.float32(scale)
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["floats", "flat"], ["pixels"]),
        helper.make_node("MatMul", ["pixels", "weights"], ["plain" if trap else "logits"]),
    ]
    constants = {"weights": weights, "flat": np.array([-1, 784])}
    if trap:
        nodes += [*_trap(trap), helper.make_node("Add", ["plain", "nothing"], ["logits"])]
        constants |= {
            "last": np.array(783),
            "zero_table": np.zeros(1, np.float32),
            "zero": np.zeros((), np.float32),
            "many": np.array(TURNS.get(trap, 0)),
        }
    made = helper.make_graph(
        nodes,
        "fake",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", 28, 28])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 10])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 10
    onnx.checker.check_model(model)
    return model.SerializeToString()


def files(**changes: bytes) -> dict[str, bytes]:
    """The files of the fake reader's bundle, by their role: weights, onnx, golden, card."""
    inputs = np.stack([image_of(digit) for digit in range(10)])
    golden = _golden(inputs)
    content = {
        bundle.WEIGHTS: save({"none": np.zeros(1, np.float32)}),
        bundle.ONNX: graph(),
        bundle.GOLDEN: golden,
        bundle.CARD: b"# fake\n",
        "figures/curve.png": b"not really a picture",
    }
    return content | changes


def shifted(digits: int) -> dict[str, bytes]:
    """The files of one that reads so many too much, and was published so: its golden logits are its own."""
    inputs = np.stack([image_of(digit) for digit in range(10)])
    return {bundle.ONNX: graph(shift=digits), bundle.GOLDEN: _golden(inputs, digits)}


def _golden(inputs: np.ndarray, shift: int = 0) -> bytes:
    logits = np.roll(inputs[:, 0, :10].astype(np.float32) * SCALE, shift, axis=1)
    return save({"inputs": inputs, "logits": np.ascontiguousarray(logits)})


def publish(
    root: Path,
    name: str = "fake",
    version: int = 1,
    trap: str | None = None,
    other: dict[str, bytes] | None = None,
    **changes: Any,
) -> Path:
    """Publishes the fake reader and returns its folder. See above for `trap`; `changes` are to the manifest."""
    folder = root / name / str(version)
    bundle.write(folder, manifest(name, version, **changes), files(**{bundle.ONNX: graph(trap)} | (other or {})))
    return folder
