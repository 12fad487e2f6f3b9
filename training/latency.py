"""What a graph costs beside the least that any graph costs: one matrix product of 784 by 10.

Microseconds differ from machine to machine, and from minute to minute on a shared one; their ratio hardly does.
"""

import statistics
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from models.networks import Served
from training.data import MEAN, STD
from training.export import Graph, to_onnx

ROUNDS = 60


def as_multiple(graph: Graph, images: NDArray[np.uint8]) -> float:
    """How many times as long as the bare graph one image takes on one thread: the median of interleaved rounds."""
    bare = _bare()
    rounds = [graph.us_per_input(images, 1) / bare.us_per_input(images, 1) for _ in range(ROUNDS)]
    return round(statistics.median(rounds), 2)


@cache
def _bare() -> Graph:
    served = Served(nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), MEAN, STD).eval()
    return Graph(to_onnx(served, "images", torch.zeros((2, 28, 28), dtype=torch.uint8)))
