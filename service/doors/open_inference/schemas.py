"""The Open Inference Protocol's JSON as types, for the OpenAPI document. They describe; `request` checks."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from service.doors.open_inference.tensors import BYTES, KNOWN

Datatype = Annotated[str, Field(json_schema_extra={"enum": list(KNOWN)})]
Parameters = dict[str, Any]
CONFIGURED = [f"TYPE_{'STRING' if datatype == BYTES else datatype}" for datatype in KNOWN]  # names of types there
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


class Reshape(Told):
    """The shape in which the model itself sees a row."""

    shape: list[Side]


class ConfiguredTensor(Told):
    """A tensor without its batch; `reshape` stands where a row of it is one element."""

    name: str
    data_type: Annotated[str, Field(json_schema_extra={"enum": CONFIGURED})]
    dims: list[Side] = Field(min_length=1)
    reshape: Reshape | SkipJsonSchema[None] = None


class LatestVersions(Told):
    """How many versions are kept, the newest ones."""

    num_versions: int = Field(ge=1)


class VersionPolicy(Told):
    """Which versions are served."""

    latest: LatestVersions


class Batching(Told):
    """How requests wait: 1 goes first."""

    priority_levels: int
    default_priority_level: int


class ModelConfiguration(Told):
    """A model's configuration, in the words that Triton's tools read."""

    name: str
    platform: str
    backend: str
    version_policy: VersionPolicy
    max_batch_size: int = Field(ge=1)
    input: list[ConfiguredTensor]
    output: list[ConfiguredTensor]
    dynamic_batching: Batching


class Duration(Told):
    """How often, and how long in all."""

    count: int = Field(ge=0)
    ns: int = Field(ge=0, description="nanoseconds")


class InferenceStatistics(Told):
    """Requests that were answered and that failed, and the stages of the answered ones; there is no cache."""

    success: Duration
    fail: Duration
    queue: Duration
    compute_input: Duration
    compute_infer: Duration
    compute_output: Duration
    cache_hit: Duration
    cache_miss: Duration


class VersionStatistics(Told):
    """What a version has done; the last three, which the protocol has, are not counted here."""

    name: str
    version: str
    last_inference: int = Field(ge=0, description="milliseconds since 1970; 0 where there was none")
    inference_count: int = Field(ge=0, description="rows")
    execution_count: int = Field(ge=0, description="batches")
    inference_stats: InferenceStatistics
    response_stats: dict[str, Any] = Field(max_length=0)
    batch_stats: list[Any] = Field(max_length=0)
    memory_usage: list[Any] = Field(max_length=0)


class ModelStatistics(Told):
    """What versions have done, in all workers."""

    model_stats: list[VersionStatistics]


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
    shape: list[Annotated[int, Field(ge=0)]]
    parameters: Parameters | SkipJsonSchema[None] = None
    data: list[float | str] | SkipJsonSchema[None] = None


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
