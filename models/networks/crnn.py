"""The line reader: convolutions look, a recurrent network reads along the line, both ways, and says what it sees where.

After Shi, Bai and Yao, "An end-to-end trainable neural network for image-based sequence recognition"
(arXiv:1507.05717). Nobody tells it where one digit ends and the next begins; it is only told what the line says.
"""

from pydantic import BaseModel, ConfigDict, PositiveInt
from torch import Tensor, nn

from models.networks.cnn import Convolution

CLASSES = 12  # ten digits, what is no digit, and nothing
STEP = 2  # columns of a picture that one answer stands for
ROWS = 8  # of a picture that are one row of features


class LineConfig(BaseModel):
    """Size of the convolutions (`stem` and `width` channels), of the memory (`hidden` units each way) and the answers.

    `height` is that of a line's picture.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    height: PositiveInt = 32
    stem: PositiveInt = 16
    width: PositiveInt = 64
    hidden: PositiveInt = 96
    classes: PositiveInt = CLASSES


class LineReader(nn.Module):
    """Reads a line of digits: standardised float32[N, height, W] -> logits float32[N, W // 2, classes].

    Each answer is what its two columns of the picture say, or nothing, given all the others. What the line says is
    left when repeated answers are made one and nothings are dropped (Graves et al., "Connectionist temporal
    classification", 2006).
    """

    def __init__(self, config: LineConfig) -> None:
        super().__init__()
        self.config = config
        self.features = nn.Sequential(
            Convolution(1, config.stem),  # strokes
            nn.MaxPool2d(2),  # 32 x W -> 16 x W/2
            Convolution(config.stem, config.width // 2),
            nn.MaxPool2d((2, 1)),  # from here on rows alone are pooled: columns are where things are
            Convolution(config.width // 2, config.width),
            Convolution(config.width, config.width),
            nn.MaxPool2d((2, 1)),
            Convolution(config.width, config.width),
        )
        self.columns = nn.Sequential(nn.Linear(config.width * config.height // ROWS, config.hidden), nn.ReLU())
        self.memory = nn.GRU(config.hidden, config.hidden, batch_first=True, bidirectional=True)
        self.classifier = nn.Linear(2 * config.hidden, config.classes)

    def forward(self, lines: Tensor) -> Tensor:
        features: Tensor = self.features(lines.unsqueeze(1))
        columns = self.columns(features.permute(0, 3, 1, 2).flatten(2))
        both_ways, _ = self.memory(columns)
        logits: Tensor = self.classifier(both_ways)
        return logits
