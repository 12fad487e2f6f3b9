"""The Open Inference Protocol's JSON as types, for the OpenAPI document. They describe; `request` checks."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from service.doors.open_inference.tensors import KNOWN

Datatype = Annotated[str, Field(json_schema_extra={"enum": list(KNOWN)})]
Parameters = dict[str, Any]
Side = Annotated[int, Field(ge=-1)]


class Told(BaseModel):
    """A JSON object that may have other keys, as the protocol allows."""

    model_config = ConfigDict(extra="allow", protected_namespaces=())


class ServerLive(Told):
    """The process answers."""

    live: bool


class ServerReady(Told):
    """The required models serve."""

    ready: bool
    live: bool


class ModelReady(Told):
    """The model serves."""

    name: str
    ready: bool


class ServerMetadata(Told):
    """What this is, and which extensions of the protocol work."""

    name: str
    version: str
    extensions: list[str]


class TensorMetadata(Told):
    """A tensor; -1 is the batch."""

    name: str
    datatype: Datatype
    shape: list[Side]


class ModelMetadata(Told):
    """A model's tensors."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]
    properties: dict[str, str]


class ModelConfiguration(Told):
    """A model's configuration, in the words that Triton's tools read."""

    name: str
    platform: str
    max_batch_size: int
    input: list[dict[str, Any]]
    output: list[dict[str, Any]]


class ModelStatistics(Told):
    """What versions have done, in all workers."""

    model_stats: list[dict[str, Any]]


class RequestInput(Told):
    """A tensor in: `data` nested as its shape or flat, or bytes behind the JSON (`binary_data_size`)."""

    name: str = Field(examples=["inputs"])
    shape: list[Annotated[int, Field(ge=0)]] = Field(examples=[[2, 2]])
    datatype: Datatype = Field(examples=["FP32"])
    parameters: Parameters | None = None
    data: list[Any] | SkipJsonSchema[None] = Field(None, examples=[[0, 1, 1, 1]])


class RequestOutput(Told):
    """A tensor that is asked for."""

    name: str = Field(examples=["probabilities"])
    parameters: Parameters | None = None


class InferenceRequest(Told):
    """Tensors in, and which are wanted; all where none is named."""

    id: str | None = Field(None, max_length=1024)
    parameters: Parameters | None = None
    inputs: list[RequestInput] = Field(min_length=1)
    outputs: list[RequestOutput] | None = None


class ResponseOutput(Told):
    """A tensor out; `data` is flat, and missing where bytes stand behind the JSON."""

    name: str
    datatype: Datatype
    shape: list[int]


class InferenceResponse(Told):
    """Tensors out."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[ResponseOutput]


class IndexRequest(Told):
    """Whether only those that serve are wanted."""

    ready: bool = False


class IndexEntry(Told):
    """A version of a model."""

    name: str
    version: str
    state: Literal["READY", "LOADING", "UNAVAILABLE"]
    reason: str


class LoadRequest(Told):
    """Nothing needs to be said."""

    parameters: Parameters | None = None


class Done(Told):
    """Every worker has done as was asked."""
