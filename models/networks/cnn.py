"""The convolutional digit reader: small filters slide over the picture, each layer seeing more of it than the last."""

from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveInt
from torch import Tensor, nn
from torch.nn.functional import relu

from models.networks.detector import Detector


class ConvolutionalConfig(BaseModel):
    """Widths of the reader's stages (channels), residual blocks at the end, and the number of digits it tells apart.

    `detector` is the width of what tells digits from all else; 0: there is none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    stem: PositiveInt = 32
    width: PositiveInt = 64
    depth: PositiveInt = 1
    classes: PositiveInt = 10
    detector: NonNegativeInt = 0


class Convolution(nn.Sequential):
    """A 3x3 (or `kernel`) convolution, batch normalisation, ReLU: float32[N, in, H, W] -> float32[N, out, H', W']."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class Residual(nn.Module):
    """Two convolutions whose result is added to their input (He et al., arXiv:1512.03385); shape is kept."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = Convolution(width, width)
        self.second = nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))

    def forward(self, features: Tensor) -> Tensor:
        return relu(features + self.second(self.first(features)))


class ConvolutionalReader(nn.Module):
    """Reads a digit: standardised float32[N, 28, 28] -> logits float32[N, classes]."""

    def __init__(self, config: ConvolutionalConfig) -> None:
        super().__init__()
        self.features = nn.Sequential(
            Convolution(1, config.stem, kernel=5, stride=2),  # 28x28 -> 14x14: strokes
            Convolution(config.stem, config.width),  # corners and crossings
            nn.MaxPool2d(2),  # 14x14 -> 7x7
            *(Residual(config.width) for _ in range(config.depth)),  # loops and hooks: every cell sees the whole digit
        )
        self.classifier = nn.Linear(config.width, config.classes)
        self.detector = Detector(config.width, config.detector) if config.detector else None

    def see(self, images: Tensor) -> Tensor:
        """Each filter's strongest answer, wherever it is: float32[N, width]."""
        features: Tensor = self.features(images.unsqueeze(1))
        return features.amax(dim=(2, 3))

    def forward(self, images: Tensor) -> Tensor:
        seen = self.see(images)
        logits: Tensor = self.classifier(seen)
        return logits + self.detector(seen) if self.detector else logits
