"""What a training run of a digit reader is made of: one frozen object, stored in the run's folder and the manifest."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from training.augment import Augmentation, Soiling


class Distillation(BaseModel):
    """How a student listens to its teachers (Hinton et al., arXiv:1503.02531)."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    temperature: PositiveFloat = Field(3.0, description="both sides' logits are divided by it")
    weight: Annotated[float, Field(ge=0, le=1)] = Field(0.9, description="of the teachers; the labels have the rest")


class Recipe(BaseModel):
    """Hyper-parameters of a digit reader: all that shapes its weights, but the seed and the data."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    network: str = Field(description="kind, of models.networks.NETWORKS")
    config: dict[str, Any] = Field(default_factory=dict, description="of the network")
    epochs: PositiveInt
    batch_size: PositiveInt
    optimizer: Literal["sgd", "adamw"]
    peak_rate: PositiveFloat = Field(description="highest learning rate of the one-cycle schedule")
    warm_up: Annotated[float, Field(gt=0, lt=1)] = Field(0.25, description="share of the steps until the peak")
    weight_decay: NonNegativeFloat
    clip_norm: PositiveFloat = Field(1.0, description="longest gradient, as a Euclidean norm")
    averaging: Annotated[float, Field(ge=0, lt=1)] = Field(description="decay of the averaged weights, per step")
    augmentation: Augmentation = Augmentation()
    soiling: Soiling | None = Field(None, description="None: ink is bent, and otherwise left as it is")
    calm: Annotated[float, Field(ge=0, le=1)] = Field(
        0.15, description="share of the epochs, the last ones, without it"
    )
    distillation: Distillation | None = Field(None, description="learn from lessons; None: from labels alone")
    detector: NonNegativeInt = Field(0, description="width of what tells digits from all else, learnt last; 0: none")
    quantised: bool = Field(default=False, description="serve convolutions in whole numbers of 8 bits")
    max_examples: PositiveInt | None = Field(None, description="learn from so many only")
    floor: Annotated[float, Field(ge=0, le=1)] = Field(description="publish nothing under this test accuracy")

    @property
    def finished(self) -> dict[str, Any]:
        """Config of the network that is released."""
        return self.config | ({"detector": self.detector} if self.detector else {})

    def smoke(self) -> "Recipe":
        """The same run in seconds, to see that it works."""
        small = {"name": f"{self.name}-smoke", "epochs": 4, "batch_size": 64, "max_examples": 512, "distillation": None}
        return self.model_copy(update=small)
