"""The GPU engine: torch on the bundle's weights. Runs on the CPU too, by choice."""

import torch
from safetensors.torch import load
from torch import nn

from models import networks
from models.bundle import WEIGHTS, Bundle
from service.inference.engine import Logits, Rows


class TorchEngine:
    """Runs the network that the manifest describes, loaded strictly, on `device`: auto, cpu or cuda.

    Raises RuntimeError when the weights do not fit the network, or when CUDA is asked for and absent.
    """

    any_thread = False  # a CUDA stream is a thread's own, and the event loop has better to do than to wait for a GPU

    def __init__(self, bundle: Bundle, device: str, threads: int) -> None:
        self._device = torch.device(_resolve(device))
        self.platform = f"torch-{self._device.type}"
        if self._device.type == "cpu":
            torch.set_num_threads(threads)
        else:  # TF32 rounds to 10 bits: logits would be 1e-2 off, and the golden check refuses 1e-3
            torch.backends.cudnn.allow_tf32 = False
            torch.backends.cuda.matmul.allow_tf32 = False
        self._network = _network(bundle).to(self._device).eval()

    @torch.inference_mode()
    def predict(self, rows: Rows) -> Logits:
        logits: Logits = self._network(torch.from_numpy(rows).to(self._device)).float().cpu().numpy()
        return logits


def _resolve(device: str) -> str:
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise RuntimeError("device cuda is asked for, but torch finds no CUDA device; allowed here: auto, cpu")
    return device


def _network(bundle: Bundle) -> nn.Module:
    spec = bundle.manifest.network
    network = networks.build(spec.kind, spec.config)
    network.load_state_dict(load(bundle.files[WEIGHTS]), strict=True)
    preprocessing = bundle.manifest.input.preprocessing
    if preprocessing is None:
        return network
    return networks.Served(network, preprocessing.mean, preprocessing.std)
