"""What a published model says about itself: `manifest.json`, as frozen types that forbid unknown keys.

Knows the words of a bundle and their bounds. Knows neither torch nor the file system.
"""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveInt
from pydantic_core import PydanticCustomError

SCHEMA_VERSION: Final = 1
ESCAPING_NAME: Final = "escaping_name"  # pydantic's error type for a file name that leaves the bundle

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=64)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Fraction = Annotated[float, Field(ge=0, le=1)]


def _stays_inside(path: str) -> str:
    parts = path.split("/")
    if "\\" in path or "\0" in path or any(part in ("", ".", "..") for part in parts):
        raise PydanticCustomError(ESCAPING_NAME, "a file name leaves the bundle; names are plain parts joined by '/'")
    return path


FileName = Annotated[str, AfterValidator(_stays_inside)]


class Record(BaseModel):
    """A frozen part of the manifest; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class NetworkSpec(Record):
    """Which network to build (`models.networks.NETWORKS`) and its config."""

    kind: str
    config: dict[str, Any]
    parameters: PositiveInt
    multiply_adds: PositiveInt = Field(description="multiplications with an addition, for one input")
    quantised: bool = Field(default=False, description="whether the graph's convolutions take whole numbers of 8 bits")


class Preprocessing(Record):
    """What the served graph does first: value / 255, minus mean, over std. Gates take their inputs as they are."""

    mean: float = 0.0
    std: Annotated[float, Field(gt=0)] = 1.0


class TensorSpec(Record):
    """A tensor of the served graph; -1 stands for the batch."""

    name: str
    dtype: Literal["uint8", "float32"]
    shape: tuple[int, ...]


class InputSpec(TensorSpec):
    """The input: `polarity` is what a large value means, None where the input is no picture."""

    polarity: Literal["light_on_dark"] | None = None
    preprocessing: Preprocessing | None = None


class Rejection(Record):
    """Below these a reading is refused. Chosen on the validation split."""

    min_confidence: Fraction = Field(description="calibrated probability of the best label; below it: ambiguous")
    min_energy: float | None = Field(
        default=None, description="log-sum-exp of the logits; below it: not_a_digit. None for a reader of lines"
    )


class Evaluation(Record):
    """Figures on one split of a data set; the confusion matrix has true labels as rows."""

    n: PositiveInt
    accuracy: Fraction
    nll: NonNegativeFloat = Field(description="mean negative log-likelihood after temperature scaling, nats")
    ece: Fraction = Field(description="expected calibration error, 15 bins, after temperature scaling")
    confusion: tuple[tuple[NonNegativeInt, ...], ...]


class SeedStatistics(Record):
    """How a figure spreads over seeds of one recipe."""

    what: str
    n: PositiveInt
    mean: float
    std: NonNegativeFloat
    min: float
    max: float


class Metrics(Record):
    """What was measured. Digit readers have validation and test; gates have what fits a truth table."""

    validation: Evaluation | None = None
    test: Evaluation | None = None
    seeds: SeedStatistics | None = None
    robustness: dict[str, float] = Field(default_factory=dict)
    onnx_max_difference: NonNegativeFloat = Field(description="largest |torch - ONNX Runtime| logit on golden inputs")


class Cost(Record):
    """Microseconds per input on ONNX Runtime, batch 1."""

    us_per_input: float
    threads: PositiveInt
    hardware: str


class ReferenceDistribution(Record):
    """Shares of a quantity over bins on the validation split: `shares[i]` lies in `edges[i] <= x < edges[i + 1]`.

    The last bin holds its right edge too; values outside the edges count in the nearest bin.
    """

    edges: tuple[float, ...]
    shares: tuple[Fraction, ...]


class Provenance(Record):
    """Where the weights come from, closely enough to make them again."""

    git_commit: str
    command: str
    recipe: dict[str, Any]
    seed: int
    dataset: str
    dataset_files: dict[str, Sha256] = Field(description="SHA-256 of each raw data set file")
    split: str
    versions: dict[str, str]
    hardware: str
    duration_s: NonNegativeFloat


class FileRecord(Record):
    """Size and hash of one file of the bundle."""

    bytes: NonNegativeInt
    sha256: Sha256


class Manifest(Record):
    """`manifest.json` of `models/published/<name>/<version>/`."""

    schema_version: Literal[1] = SCHEMA_VERSION
    seal: Sha256 | None = Field(None, description="SHA-256 of this file with 64 zeros for the seal; none in old ones")
    name: Name
    version: PositiveInt
    created: datetime
    network: NetworkSpec
    input: InputSpec
    output: TensorSpec
    labels: tuple[str, ...]
    temperature: Annotated[float, Field(gt=0)] = Field(1.0, description="logits are divided by it before softmax")
    rejection: Rejection | None = None
    metrics: Metrics
    cost: Cost
    reference: dict[str, ReferenceDistribution] = Field(default_factory=dict)
    provenance: Provenance
    files: dict[FileName, FileRecord] = Field(default_factory=dict)
