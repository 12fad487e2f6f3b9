"""The GPU engine: torch on the bundle's weights. Runs on the CPU too, by choice.

On a GPU these networks compute for less time than their kernels take to launch one by one. So the launches of a batch
are recorded once for each of a few sizes, as a CUDA graph, and replayed with one call (decision 12).
"""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load
from torch import Tensor, nn

from models import networks
from models.bundle import WEIGHTS, Bundle
from models.manifest import Manifest
from service.inference.buckets import Bucketed, bucket_sizes
from service.inference.engine import Logits, Rows, precision_of
from service.settings import Inference, Precision

log = logging.getLogger(__name__)

_WARM_UPS = 3  # runs before recording, as PyTorch's own make_graphed_callables does: libraries choose and allocate


class TorchEngine:
    """Runs the network that the manifest describes, loaded strictly, on the device of the settings.

    Raises RuntimeError when the weights do not fit the network, or when CUDA is asked for and absent.
    """

    runs_graph = False
    any_thread = False  # a GPU's buffers are of one batch at a time, and the event loop has better to do than to wait

    def __init__(self, bundle: Bundle, settings: Inference, threads: int) -> None:
        device = torch.device(_resolve(settings.device))
        precision = precision_of(bundle.manifest, settings)
        network = _network(bundle, precision).to(device)
        self.platform = f"torch-{device.type}" + ("" if precision == "float32" else f"-{precision}")
        self._run: Callable[[Rows], Logits]
        if device.type == "cpu":
            torch.set_num_threads(threads)
            self._run = partial(_run_on_cpu, network)
        else:
            self._run = on_cuda(network, device, bundle.manifest, settings.max_batch_rows).predict

    def predict(self, rows: Rows) -> Logits:
        return self._run(rows)


class Bfloat16(nn.Module):
    """A network that computes in bfloat16, between float32 inputs and float32 logits."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.to(torch.bfloat16)

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.network(inputs.to(torch.bfloat16))
        return logits.float()


class _Lane(NamedTuple):
    """The way of a batch. Graphs hold these addresses, so the memory stays where it is for as long as the engine."""

    staged: Tensor  # on the host, pinned
    inputs: Tensor
    logits: Tensor
    answer: Tensor  # on the host, pinned

    def first(self, size: int) -> "_Lane":
        """The same memory, as far as `size` rows go."""
        return _Lane(*(tensor[:size] for tensor in self))


class CudaRunner:
    """Runs a network on a stream of its own, in batches of the given sizes; see `buckets.Runner`.

    All memory is taken here, in proportion to the largest size. A network that cannot be recorded runs kernel by
    kernel on the same stream.
    """

    def __init__(self, network: nn.Module, device: torch.device, sizes: Sequence[int], rows: NDArray[Any]) -> None:
        self._network = network
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._done = torch.cuda.Event()  # type: ignore[no-untyped-call]
        self._graphs: list[torch.cuda.CUDAGraph] = []
        whole = self._allocate(torch.from_numpy(rows).pin_memory(), device)
        self.staging: Rows = whole.staged.numpy()
        self._lanes = {size: whole.first(size) for size in reversed(sizes)}  # the largest first; the others fit into it
        self._launches: dict[int, Callable[[], None]] = {
            size: partial(self._compute, lane) for size, lane in self._lanes.items()
        }
        self._warm_up()
        try:
            self._launches = self._record()
        except RuntimeError as error:  # what torch raises when a network waits for the GPU, or memory is short
            log.warning("cuda_graphs_off network=%s", type(network).__name__, exc_info=error)

    def run(self, size: int) -> Logits:
        """Logits of the first `size` rows of `staging`. The next run overwrites them."""
        lane = self._lanes[size]
        with torch.cuda.stream(self._stream):
            lane.inputs.copy_(lane.staged, non_blocking=True)
            self._launches[size]()
            lane.answer.copy_(lane.logits, non_blocking=True)
            self._done.record(self._stream)
        self._done.synchronize()
        logits: Logits = lane.answer.numpy()
        return logits

    def _allocate(self, staged: Tensor, device: torch.device) -> _Lane:
        self._stream.wait_stream(torch.cuda.current_stream(device))  # the weights are on their way there
        with torch.cuda.stream(self._stream):
            inputs = torch.zeros_like(staged, device=device)
            logits = self._network(inputs)
            return _Lane(staged, inputs, logits, torch.zeros(logits.shape).pin_memory())

    def _compute(self, lane: _Lane) -> None:
        lane.logits.copy_(self._network(lane.inputs))

    def _warm_up(self) -> None:
        with torch.cuda.stream(self._stream):
            for lane in self._lanes.values():
                for _ in range(_WARM_UPS):
                    self._compute(lane)

    def _record(self) -> dict[int, Callable[[], None]]:
        """Records a graph for each size.

        They share one memory pool, which PyTorch allows to graphs that never run at once and need nothing of what
        another left there: one stream runs them, and `_compute` puts its logits outside the pool.
        """
        pool = torch.cuda.graph_pool_handle()
        return {size: self._record_one(lane, pool) for size, lane in self._lanes.items()}

    def _record_one(self, lane: _Lane, pool: Any) -> Callable[[], None]:
        graph = torch.cuda.CUDAGraph()
        self._graphs.append(graph)  # one that fails is kept too, for torch's allocator goes on pointing at it
        # thread_local: other models may run meanwhile, and in the mode "global" their waiting would end the recording
        with torch.cuda.graph(graph, pool=pool, stream=self._stream, capture_error_mode="thread_local"):
            self._compute(lane)
        return graph.replay


def on_cuda(network: nn.Module, device: torch.device, manifest: Manifest, max_batch_rows: int) -> Bucketed:
    """Runs a network that is on `device` there, for any number of rows."""
    # TF32 rounds to 10 bits: logits would be 1e-2 off, and the golden check refuses 1e-3
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    sizes = bucket_sizes(max_batch_rows)
    rows = np.zeros((max_batch_rows, *manifest.input.shape[1:]), manifest.input.dtype)
    return Bucketed(CudaRunner(network, device, sizes, rows), sizes)


@torch.inference_mode()
def _run_on_cpu(network: nn.Module, rows: Rows) -> Logits:
    writable = np.require(rows, requirements="W")  # torch knows no others, and arrays made of bytes are none
    logits: Logits = network(torch.from_numpy(writable)).numpy()
    return logits


def _resolve(device: str) -> str:
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise RuntimeError("device cuda is asked for, but torch finds no CUDA device; allowed here: auto, cpu")
    return device


def _network(bundle: Bundle, precision: Precision) -> nn.Module:
    """The network as it is served: from what the doors hand in to float32 logits, without gradients."""
    spec = bundle.manifest.network
    network = networks.build(spec.kind, spec.config)
    network.load_state_dict(load(bundle.files[WEIGHTS]), strict=True)
    if precision == "bfloat16":
        network = Bfloat16(network)
    if (preprocessing := bundle.manifest.input.preprocessing) is not None:
        network = networks.Served(network, preprocessing.mean, preprocessing.std)
    return network.eval().requires_grad_(requires_grad=False)
