"""What a recurrent reader would answer after each line: its own weights, in numpy, one step at a time.

The served graph gives the last answer alone. Here is the same reader with its mouth open.
"""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load

from models.bundle import WEIGHTS, Bundle
from service.inference.predictions import sigmoid, softmax

RECURRENT = "rnn"  # the kind of network, as manifests call it

Weights = Mapping[str, NDArray[np.float32]]
Lines = NDArray[np.float32]


def read_steps(image: NDArray[np.uint8], bundle: Bundle) -> NDArray[np.float64] | None:
    """Calibrated probabilities after each line of uint8[28, 28]: float64[28, 10]; None where no line comes first.

    The classifier sees the last memory so far, and the strongest that each unit has had.
    """
    manifest = bundle.manifest
    if manifest.network.kind != RECURRENT:
        return None
    weights = load(bundle.files[WEIGHTS])
    lines = standardise(image if manifest.network.config.get("lines") != "columns" else image.T, bundle)
    memories = np.stack(list(remember(lines, weights)))
    seen = np.concatenate([memories, np.maximum.accumulate(memories)], axis=1)
    logits = seen @ weights["classifier.weight"].T + weights["classifier.bias"]
    return softmax(logits, manifest.temperature)


def remember(lines: Lines, weights: Weights) -> Iterator[Lines]:
    """The memory float32[hidden] after each of float32[lines, pixels]: a gated recurrent unit (arXiv:1406.1078).

    Weights lie as torch lays them: reset gate, update gate, candidate.
    """
    inputs = lines @ weights["memory.weight_ih_l0"].T + weights["memory.bias_ih_l0"]
    hidden = inputs.shape[1] // 3
    memory = np.zeros(hidden, np.float32)
    for line in inputs:
        recalled = weights["memory.weight_hh_l0"] @ memory + weights["memory.bias_hh_l0"]
        reset, update = np.split(sigmoid(line[: 2 * hidden] + recalled[: 2 * hidden]).astype(np.float32), 2)
        candidate = np.tanh(line[2 * hidden :] + reset * recalled[2 * hidden :])
        memory = candidate + update * (memory - candidate)
        yield memory


def standardise(image: NDArray[np.uint8], bundle: Bundle) -> Lines:
    """What the served graph does first: float32[28, 28]."""
    preprocessing = bundle.manifest.input.preprocessing
    mean, std = (preprocessing.mean, preprocessing.std) if preprocessing else (0.0, 1.0)
    return np.asarray((image / 255 - mean) / std, np.float32)
