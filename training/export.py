"""The served graph: a network and its preprocessing as ONNX, in whole numbers where it may be, and what ONNX Runtime
makes of it."""

import io
import logging
import tempfile
import time
import warnings
from contextlib import redirect_stdout
from pathlib import Path
from statistics import median

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

OUTPUT = "logits"
CHUNK = 1000  # rows in one call
QUANTISED = ["Conv", "Relu", "MaxPool", "Add"]


class Graph:
    """A served graph in ONNX Runtime on one thread: raw inputs [N, ...] -> logits float32[N, outputs]."""

    def __init__(self, content: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name

    def read(self, inputs: NDArray[np.generic]) -> NDArray[np.float32]:
        """Logits of any number of inputs."""
        chunks = [inputs[start : start + CHUNK] for start in range(0, len(inputs), CHUNK)]
        return np.concatenate([np.asarray(self._session.run([OUTPUT], {self._input: chunk})[0]) for chunk in chunks])

    def us_per_input(self, inputs: NDArray[np.generic], rounds: int = 100) -> float:
        """Median microseconds of a call with one input, on one thread."""
        times = []
        for row in list(inputs) * rounds:
            started = time.perf_counter()
            self._session.run([OUTPUT], {self._input: row[None]})
            times.append(time.perf_counter() - started)
        return round(median(times) * 1e6, 1)


def to_onnx(served: nn.Module, name: str, example: torch.Tensor) -> bytes:
    """Exports a module in evaluation mode; its input is `name` with a free batch dimension, its output `logits`."""
    batch = torch.export.Dim("batch")
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # the exporter warns of its own insides
        program = torch.onnx.export(
            served.eval(),
            (example,),
            dynamo=True,
            input_names=[name],
            output_names=[OUTPUT],
            dynamic_shapes=({0: batch},),
            verbose=False,
        )
        if program is None:
            raise RuntimeError("torch.onnx.export gave no program")
        path = Path(folder) / "model.onnx"
        program.save(path, external_data=False)
        return _without_traces(onnx.load(path))


def quantise(graph: bytes, examples: NDArray[np.uint8]) -> bytes:
    """The graph with convolutions in whole numbers of 8 bits, whose ranges are those that the examples reach.

    Half of the time. Weights take 7 bits, because older processors add two products of 8 bits in 16, and overflow. From
    the first matrix product on all stays as it is: it costs nothing, and its sums decide.
    """
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder) / "float.onnx", Path(folder) / "model.onnx"
        before.write_bytes(graph)
        logging.getLogger().addFilter(_is_not_advice)
        try:
            quantize_static(
                before,
                after,
                _Examples(examples),
                op_types_to_quantize=QUANTISED,
                nodes_to_exclude=_after_features(onnx.load(before)),
                per_channel=True,
                reduce_range=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
        finally:
            logging.getLogger().removeFilter(_is_not_advice)
        return _without_traces(onnx.load(after))


class _Examples(CalibrationDataReader):  # type: ignore[misc]
    """Images as the quantiser wants them: a batch at a time."""

    def __init__(self, images: NDArray[np.uint8]) -> None:
        self._batches = iter(np.array_split(images, max(1, len(images) // CHUNK)))

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        batch = next(self._batches, None)
        return None if batch is None else {"images": batch}


def _after_features(model: onnx.ModelProto) -> list[str]:
    """The names of the nodes from the first matrix product on."""
    nodes = list(model.graph.node)
    first = next((place for place, node in enumerate(nodes) if node.op_type in ("Gemm", "MatMul")), len(nodes))
    return [node.name for node in nodes[first:]]


def _is_not_advice(record: logging.LogRecord) -> bool:
    """The quantiser advises to fold operators first, which the exporter has done."""
    return "pre-processing before quantization" not in record.getMessage()


def _without_traces(model: onnx.ModelProto) -> bytes:
    """The graph without the exporter's notes, which hold stack traces with paths of this machine."""
    for part in (model.graph, *model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output):
        del part.metadata_props[:]
        part.doc_string = ""
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def multiply_adds(served: nn.Module, example: torch.Tensor) -> int:
    """Multiplications with an addition for one input, as torch counts them: matrix products and convolutions."""
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        served(example[:1])
    return int(counter.get_total_flops()) // 2
