"""Logic gates: a single neuron, and the two-layer network for what one neuron cannot do.

A neuron weighs its inputs, sums them, adds a bias, and fires when the sum is positive. Its decision surface is a
straight line, which separates AND, OR, NAND and NOR, but not XOR and XNOR (Minsky and Papert, *Perceptrons*, 1969).
"""

import torch
from pydantic import BaseModel, ConfigDict, PositiveInt
from torch import Tensor, nn


class NeuronConfig(BaseModel):
    """A neuron's shape: how many inputs it weighs."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    inputs: PositiveInt = 2


class Neuron(nn.Module):
    """Weights, a sum and a bias: float32[N, inputs] -> logits float32[N, 1]. It fires where the logit is positive."""

    def __init__(self, config: NeuronConfig) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.randn(config.inputs, 1))
        self.bias = nn.Parameter(torch.randn(1))

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs @ self.weights + self.bias


class TwoLayerConfig(BaseModel):
    """A two-layer network's shape. Eight hidden neurons, because two often stay in a poor local minimum."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    inputs: PositiveInt = 2
    hidden: PositiveInt = 8


class TwoLayer(nn.Module):
    """A hidden layer of tanh neurons and one neuron that reads them: float32[N, inputs] -> logits float32[N, 1]."""

    def __init__(self, config: TwoLayerConfig) -> None:
        super().__init__()
        self.hidden_weights = nn.Parameter(torch.randn(config.inputs, config.hidden))
        # Each hidden neuron's line starts through a point between the corners, where it can tell them apart.
        crossings = torch.rand(config.inputs, config.hidden)
        self.hidden_bias = nn.Parameter(-(crossings * self.hidden_weights.detach()).sum(dim=0))
        self.weights = nn.Parameter(torch.randn(config.hidden, 1))
        self.bias = nn.Parameter(torch.randn(1))

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = torch.tanh(inputs @ self.hidden_weights + self.hidden_bias)
        return hidden @ self.weights + self.bias
