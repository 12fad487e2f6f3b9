"""The engine contract: runs one model. ONNX Runtime is the CPU engine, torch the GPU engine; both keep this contract.

`predict` is synchronous, and never called twice at a time. It takes any number of rows from one up; what it answers
for a row does not depend on the rows beside it, within float tolerance.
"""

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from models.bundle import Bundle
from models.manifest import Manifest
from service.settings import Inference, Precision

Rows = NDArray[Any]  # uint8[N, 28, 28] for digits, float32[N, 2] for gates
Outputs = NDArray[Any]  # a row for each row: logits of an engine, or what is read from them
Logits = NDArray[np.float32]  # float32[N, classes]

_GPU_DRIVERS = (Path("/dev/nvidiactl"), Path("/dev/dxg"))  # Linux; Windows' Linux subsystem


class Predictor(Protocol):
    """Answers rows with rows."""

    @property
    def any_thread(self) -> bool:
        """Whether `predict` may be called from any thread, one call at a time; else from one alone."""
        ...

    def predict(self, rows: Rows) -> Outputs:
        """One output for each row."""
        ...


class Engine(Predictor, Protocol):
    """Runs one model."""

    platform: str  # what runs it, for people: "onnxruntime-cpu"
    runs_graph: bool  # the bundle's graph, quantised where it is; else its weights, in floating point

    def predict(self, rows: Rows) -> Logits:
        """Logits of the rows, unscaled by any temperature."""
        ...


def open_engine(bundle: Bundle, settings: Inference, threads: int) -> Engine:
    """The engine that the settings ask for. `auto` takes torch for a GPU and for bfloat16, else ONNX Runtime."""
    if _choose(settings) == "torch":
        from service.inference.torch_engine import TorchEngine  # the ONNX path stays free of torch: 130 MB, not 740

        return TorchEngine(bundle, settings, threads)
    from service.inference.onnx_engine import OnnxEngine

    return OnnxEngine(bundle, threads)


def precision_of(manifest: Manifest, settings: Inference) -> Precision:
    """What a model computes in: a reader of digits in what the settings say, all others in float32.

    A gate has nothing to gain from bfloat16, and its line would move (decision 12); along a line of digits, what is
    rounded is remembered, and logits move by 0.7.
    """
    return settings.precision if manifest.output.shape[1:] == (10,) else "float32"


def on_gpu(settings: Inference) -> bool:
    """Whether models run on a GPU; without importing torch where none can be."""
    if settings.device == "auto":
        return settings.engine != "onnx" and any(path.exists() for path in _GPU_DRIVERS) and _torch_sees_a_gpu()
    return settings.device == "cuda"


def _choose(settings: Inference) -> str:
    if settings.engine == "auto":
        return "torch" if settings.precision == "bfloat16" or on_gpu(settings) else "onnx"
    return settings.engine


def _torch_sees_a_gpu() -> bool:
    try:
        import torch
    except ImportError:
        return False
    return torch.cuda.is_available()
