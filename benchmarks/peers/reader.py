"""What every peer on ONNX Runtime shares: the published graph, Axon's session options, calibrated probabilities.

It stands alone, for peers run in environments of their own: it imports nothing of Axon.
"""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from PIL import Image

VERSIONS = Path(__file__).parents[2] / "models" / "published" / "cnn"
BUNDLE = max(VERSIONS.glob("[1-9]*"), key=lambda folder: int(folder.name))  # what Axon serves unless told otherwise
SIDE = 28

Images = NDArray[np.uint8]
Probabilities = NDArray[np.float32]


class Reader:
    """Reads digits with one thread that does not spin, as Axon's engine does (`service/inference/onnx_engine.py`)."""

    def __init__(self) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = ort.InferenceSession(BUNDLE / "model.onnx", options, providers=["CPUExecutionProvider"])
        self._temperature = temperature()

    def read(self, images: Images) -> Probabilities:
        """uint8[N, 28, 28] -> float32[N, 10]."""
        logits = self._session.run(["logits"], {"images": images})[0]
        return softmax(logits, self._temperature)


def temperature() -> np.float32:
    """The calibration of the published model."""
    return np.float32(json.loads((BUNDLE / "manifest.json").read_bytes())["temperature"])


def softmax(logits: Probabilities, temperature: np.float32) -> Probabilities:
    """Calibrated probabilities, float32[N, 10]."""
    scaled = logits / temperature
    weights = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def decode(picture: bytes) -> Images:
    """A picture file of light ink on dark -> uint8[1, 28, 28]."""
    with Image.open(io.BytesIO(picture)) as image:
        return shrink(image)


def shrink(image: Image.Image) -> Images:
    """A picture of light ink on dark -> uint8[1, 28, 28]."""
    return np.asarray(image.convert("L").resize((SIDE, SIDE)))[None]


def checked(pixels: Any) -> Images:
    """Nested lists -> uint8[N, 28, 28]. Raises ValueError where they are something else."""
    images = np.asarray(pixels)
    if images.ndim != 3 or images.shape[1:] != (SIDE, SIDE) or images.dtype.kind != "i":
        raise ValueError(f"images must be N x {SIDE} x {SIDE} whole numbers")
    if images.size and (images.min() < 0 or images.max() > 255):
        raise ValueError("pixels must be from 0 to 255")
    return images.astype(np.uint8)


def unpacked(body: bytes) -> Images:
    """Raw bytes, 784 an image -> uint8[N, 28, 28]. Raises ValueError where the length does not fit."""
    return np.frombuffer(body, np.uint8).reshape(-1, SIDE, SIDE)


def answer(probabilities: Probabilities) -> dict[str, Any]:
    """What a client is told: for each image the digit and the probability of every digit."""
    digits = probabilities.argmax(axis=1).tolist()
    pairs = zip(digits, probabilities.tolist(), strict=True)
    return {"predictions": [{"digit": digit, "probabilities": row} for digit, row in pairs]}
