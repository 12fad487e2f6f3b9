"""The CPU engine: ONNX Runtime on the bundle's own graph, which holds its preprocessing."""

import numpy as np
import onnxruntime as ort

from models.bundle import ONNX, Bundle
from service.inference.engine import Logits, Rows

ort.set_default_logger_severity(3)  # errors only; a container without a GPU makes it warn at every start

CHUNK = 32  # rows at once: a row costs the same from 8 up, and 256 would take 45 MB of memory that is never given back


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

    def predict(self, rows: Rows) -> Logits:
        if len(rows) <= CHUNK:
            return self._run(rows)
        return np.concatenate([self._run(rows[start : start + CHUNK]) for start in range(0, len(rows), CHUNK)])

    def _run(self, rows: Rows) -> Logits:
        logits: Logits = self._session.run(self._outputs, {self._input: rows})[0]
        return logits
