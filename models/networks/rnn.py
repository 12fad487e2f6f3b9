"""The recurrent digit reader: it reads a picture as an eye reads a page, row after row, remembering what it saw."""

from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, PositiveInt
from torch import Tensor, nn


class RecurrentConfig(BaseModel):
    """Size of the memory (`hidden` units), of a step (`pixels` of a line), what a line is, and the number of digits."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    pixels: PositiveInt = 28
    hidden: PositiveInt = 128
    lines: Literal["rows", "columns"] = "rows"
    classes: PositiveInt = 10


class RecurrentReader(nn.Module):
    """Reads a digit in 28 gated recurrent steps: standardised float32[N, 28, 28] -> logits float32[N, classes].

    Each step mixes one row with the memory of the rows above (Cho et al., arXiv:1406.1078). The classifier sees the
    last memory, which knows the whole picture, and each unit's strongest memory, which keeps what was seen in passing.
    """

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__()
        self.config = config
        self.memory = nn.GRU(config.pixels, config.hidden, batch_first=True)
        self.classifier = nn.Linear(2 * config.hidden, config.classes)

    def forward(self, images: Tensor) -> Tensor:
        steps, _ = self.memory(images if self.config.lines == "rows" else images.transpose(1, 2))
        logits: Tensor = self.classifier(torch.cat([steps[:, -1], steps.amax(dim=1)], dim=1))
        return logits
