"""The CPU engine: ONNX Runtime on the bundle's own graph, which holds its preprocessing."""

import math

import numpy as np
import onnxruntime as ort

from models.bundle import ONNX, Bundle
from service.inference.engine import Logits, Rows

ort.set_default_logger_severity(3)  # errors only; a container without a GPU makes it warn at every start

# At once: an image costs the same from 8 up, and 256 would take 45 MB of memory that is never given back.
CHUNK_BYTES = 32 * 28 * 28


class OnnxEngine:
    """Runs `model.onnx` on the CPU."""

    platform = "onnxruntime-cpu"
    any_thread = True
    runs_graph = True

    def __init__(self, bundle: Bundle, threads: int) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # an idle worker costs no CPU
        self._session = ort.InferenceSession(bundle.files[ONNX], options, providers=["CPUExecutionProvider"])
        self._input = bundle.manifest.input.name
        self._outputs = [bundle.manifest.output.name]
        row = math.prod(bundle.manifest.input.shape[1:]) * np.dtype(bundle.manifest.input.dtype).itemsize
        self._chunk = max(1, CHUNK_BYTES // row)  # rows

    def predict(self, rows: Rows) -> Logits:
        if len(rows) <= self._chunk:
            return self._run(rows)
        starts = range(0, len(rows), self._chunk)
        return np.concatenate([self._run(rows[start : start + self._chunk]) for start in starts])

    def _run(self, rows: Rows) -> Logits:
        logits: Logits = self._session.run(self._outputs, {self._input: rows})[0]
        return logits
