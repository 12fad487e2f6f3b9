"""JSON in and out, as types with examples. The OpenAPI document and the Bento door's schema are made from these.

They describe; `doors.intake` checks, which is faster and says in a sentence what is wrong.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, WithJsonSchema

from service.errors import ERRORS
from service.inference.catalog import State
from service.inference.predictions import REASONS

MOST_VERSION = 999_999_999

Probability = Annotated[float, Field(ge=0, le=1)]
PixelRow = Annotated[list[Annotated[float, Field(ge=0, le=255)]], Field(min_length=28, max_length=28)]
Pixels = Annotated[list[PixelRow], Field(min_length=28, max_length=28)]
ImageText = Annotated[
    str, Field(min_length=1, description="base64 text or a data URL of a PNG, JPEG, WebP, BMP, TIFF or GIF")
]
GateRow = Annotated[list[Probability], Field(min_length=2, max_length=2)]

# For the Bento door: any list goes in, described as what it should be. pydantic would name every wrong number of a
# megabyte, one by one; intake names the first.
ImageList = Annotated[list[Any], WithJsonSchema(TypeAdapter(list[ImageText | Pixels]).json_schema())]
RowList = Annotated[list[Any], WithJsonSchema(TypeAdapter(list[GateRow]).json_schema())]

Reason = Annotated[str, Field(json_schema_extra={"enum": list(REASONS)})]
Code = Annotated[str, Field(json_schema_extra={"enum": [error.code for error in ERRORS]})]


class Shape(BaseModel):
    """A JSON object without other keys."""

    model_config = ConfigDict(extra="forbid")


class ModelReference(Shape):
    """Which model answered; the hash is that of its manifest, which holds every other hash."""

    name: str = Field(examples=["cnn"])
    version: int = Field(examples=[1])
    sha256: str


class DigitsRequest(Shape):
    """Pictures as text, or 28x28 arrays in MNIST's format: 0 is paper, 255 is ink. They may be mixed."""

    images: list[ImageText | Pixels] = Field(min_length=1, description="at most AXON_HTTP__MAX_IMAGES")


class Candidate(Shape):
    """A digit and its calibrated probability."""

    digit: int = Field(ge=0, le=9, examples=[7])
    probability: Probability = Field(examples=[0.9991])


class Prediction(Shape):
    """The best guess, how sure the model is, and whether it should be believed."""

    digit: int | None = Field(description="null where there is no ink", examples=[7])
    confidence: Probability = Field(description="calibrated probability of the best guess", examples=[0.9991])
    top: list[Candidate] = Field(description="the `top_k` likeliest digits, best first")
    accepted: bool = Field(description="false where the reading was refused")
    reason: Reason | None = Field(description="why it was refused", examples=[None])
    image: list[list[int]] | None = Field(None, description="with `explain=true`: the 28x28 image that the model saw")
    saliency: list[list[Annotated[float, Field(ge=-1, le=1)]]] | None = Field(
        None, description="with `explain=true`: what each of the 28x28 pixels counts for the digit"
    )
    saliency_png: str | None = Field(None, description="with `explain=true`: the map over the image, as a data URL")
    steps: list[list[Probability]] | None = Field(
        None, description="with `explain=true`, recurrent readers only: the probabilities of 0 to 9 after each row"
    )


class Timing(Shape):
    """Milliseconds of the request in each stage."""

    decode: float
    normalise: float
    queue: float
    compute: float
    explain: float | None = Field(None, description="with `explain=true`: all that explaining took")


class DigitsAnswer(Shape):
    """Predictions in the order of the images."""

    predictions: list[Prediction]
    model: ModelReference
    timing_ms: Timing
    request_id: str


class NumberRequest(Shape):
    """One picture as text."""

    image: ImageText


class WrittenDigit(Shape):
    """A digit of a number; `box` is left, top, width and height in pixels of the upright picture."""

    digit: int | None = Field(description="the best guess; null where it is no digit, `?` in the text", examples=[9])
    confidence: Probability = Field(description="calibrated probability of the best guess", examples=[0.9991])
    accepted: bool = Field(description="false where the reading was refused")
    reason: Reason | None = Field(description="why it was refused", examples=[None])
    box: list[int] = Field(min_length=4, max_length=4, examples=[[12, 8, 31, 52]])
    line: int = Field(ge=0, description="from the top, counted from 0")


class WrittenMark(Shape):
    """A decimal point or a minus sign."""

    mark: Literal[".", "-"]
    box: list[int] = Field(min_length=4, max_length=4)
    line: int = Field(ge=0)


class NumberTiming(Shape):
    """Milliseconds of the request in each stage."""

    decode: float
    segment: float
    queue: float
    compute: float


class NumberAnswer(Shape):
    """What is written, lines joined by a line feed; empty, with the reason `blank`, where there is no ink."""

    text: str = Field(examples=["90210"])
    digits: list[WrittenDigit] = Field(description="line by line, from left to right")
    marks: list[WrittenMark] = Field(description="decimal points and minus signs, where they are asked for")
    accepted: bool = Field(description="whether there are digits, and all are accepted")
    reason: Reason | None = Field(description="of the first digit that was refused, or `blank`")
    model: ModelReference
    timing_ms: NumberTiming
    request_id: str


class GateRequest(Shape):
    """Rows of inputs, each number from 0 (off) to 1 (on)."""

    inputs: list[GateRow] = Field(min_length=1, examples=[[[0, 0], [0, 1], [1, 0], [1, 1]]])


class GateOutput(Shape):
    """1 where the neuron fires."""

    output: Literal[0, 1]
    probability: Probability


class GateAnswer(Shape):
    """Outputs in the order of the rows."""

    outputs: list[GateOutput]
    model: ModelReference
    request_id: str


class TruthRow(GateOutput):
    """A corner of the truth table."""

    inputs: list[int]


class Gate(Shape):
    """A gate and its truth table, evaluated now."""

    gate: str = Field(examples=["xor"])
    network: str = Field(examples=["two_layer"])
    parameters: int
    truth_table: list[TruthRow]
    model: ModelReference


class Gates(Shape):
    gates: list[Gate]
    request_id: str


class DecisionSurface(Shape):
    """`probability[j][i]` belongs to the inputs `(axis[i], axis[j])`."""

    axis: list[float]
    probability: list[list[Probability]]


class GateDetails(Gate):
    """A gate with its weights by name, and its decision surface."""

    weights: dict[str, Any]
    decision_surface: DecisionSurface
    request_id: str


class Listing(Shape):
    """A published version as this server has it."""

    name: str
    version: int
    state: State
    default: bool
    reason: str | None = Field(description="why it failed to load; null for any other state")
    sha256: str | None
    platform: str | None = Field(examples=["onnxruntime-cpu"])
    role: Literal["canary", "shadow"] | None = Field(description="which trial it is on; null for none")
    share: float | None = Field(description="of the requests that its trial takes; null without one", examples=[None])
    stopped: str | None = Field(description="why its trial was stopped; null for any other version")


class Listings(Shape):
    models: list[Listing]
    request_id: str


class ListingWithManifest(Listing):
    manifest: dict[str, Any] | None
    request_id: str


class PinRequest(Shape):
    """The version that answers who names none, whatever is published later."""

    version: int = Field(ge=1, le=MOST_VERSION, examples=[1])


class Error(Shape):
    """Every failure of every route: a sentence, a code of a closed set, particulars, and the request's id."""

    error: str = Field(examples=["images[0] must be 28 rows of 28 numbers, got 27 rows"])
    code: Code
    detail: list[Any]
    request_id: str
