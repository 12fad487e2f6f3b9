"""Networks by kind, built from the config object that a manifest stores. The only room of `models` that knows torch.

A network sees standardised floats. `Served` puts the preprocessing in front, so that what is exported and served
takes images as they are: uint8[N, 28, 28], or uint8[N, 32, W] for lines, light ink on dark.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from pydantic import BaseModel
from torch import Tensor, nn

from models.networks.cnn import ConvolutionalConfig, ConvolutionalReader
from models.networks.crnn import LineConfig, LineReader
from models.networks.gate import Neuron, NeuronConfig, TwoLayer, TwoLayerConfig
from models.networks.rnn import RecurrentConfig, RecurrentReader

Reader = ConvolutionalReader | RecurrentReader  # of digits


class Network(NamedTuple):
    """A network class and the class of its config."""

    module: type[nn.Module]
    config: type[BaseModel]


NETWORKS: dict[str, Network] = {
    "neuron": Network(Neuron, NeuronConfig),
    "two_layer": Network(TwoLayer, TwoLayerConfig),
    "cnn": Network(ConvolutionalReader, ConvolutionalConfig),
    "rnn": Network(RecurrentReader, RecurrentConfig),
    "crnn": Network(LineReader, LineConfig),
}


def build(kind: str, config: Mapping[str, Any]) -> nn.Module:
    """Builds the network `kind` with fresh weights.

    Raises ValueError for an unknown kind, or for a config with a missing, unknown or out-of-range key.
    """
    if kind not in NETWORKS:
        raise ValueError(f"unknown network kind {kind!r}; known kinds: {', '.join(NETWORKS)}")
    network = NETWORKS[kind]
    return network.module(network.config(**config))


class Served(nn.Module):
    """A network with its preprocessing in front: uint8[N, H, W] of 0..255 -> its logits, float32[N, ..., classes]."""

    def __init__(self, network: nn.Module, mean: float, std: float) -> None:
        super().__init__()
        self.network = network
        self.scale = 1 / (255 * std)
        self.shift = -mean / std

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(images.to(torch.float32) * self.scale + self.shift)
        return logits
