"""The recurrent digit reader: it reads a picture as an eye reads a page, row after row, remembering what it saw."""

from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveInt
from torch import Tensor, nn

from models.networks.detector import Detector


class RecurrentConfig(BaseModel):
    """Size of the memory (`hidden` units), of a step (`pixels` of a line), what a line is, and the number of digits.

    `detector` is the width of what tells digits from all else; 0: there is none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    pixels: PositiveInt = 28
    hidden: PositiveInt = 128
    lines: Literal["rows", "columns"] = "rows"
    classes: PositiveInt = 10
    detector: NonNegativeInt = 0


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
        self.detector = Detector(2 * config.hidden, config.detector) if config.detector else None

    def see(self, images: Tensor) -> Tensor:
        """The last memory, and each unit's strongest: float32[N, 2 * hidden]."""
        steps, _ = self.memory(images if self.config.lines == "rows" else images.transpose(1, 2))
        return torch.cat([steps[:, -1], steps.amax(dim=1)], dim=1)

    def forward(self, images: Tensor) -> Tensor:
        seen = self.see(images)
        logits: Tensor = self.classifier(seen)
        return logits + self.detector(seen) if self.detector else logits
