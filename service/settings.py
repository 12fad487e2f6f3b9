"""Every knob of the service: typed, bounded, documented, frozen. `docs/configuration.md` is generated from here.

Values come from the environment: `AXON_HTTP__PORT=3100` sets `http.port`. A name that no field has is an error that
lists the nearest known names, because pydantic-settings itself passes over misspelt variables in silence.
"""

import difflib
import json
import os
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyAddress,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    StringConstraints,
    model_validator,
)
from pydantic import ValidationError as _ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "AXON_"
DELIMITER = "__"
CONFIDENTIAL = {"AXON_ACCESS__KEYS", "AXON_ACCESS__MANAGEMENT_KEYS"}  # a wrong value may be a key, and is not repeated
OTHERS_VARIABLES = {"AXON_DATA", "AXON_CLIENT_KEY"}  # of `training` and the client, which engineers set beside these

Precision = Literal["float32", "bfloat16"]
KeyHash = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]


class SettingsError(ValueError):
    """The environment does not describe a service: a name nobody knows, or a value out of bounds."""


class Group(BaseModel):
    """A group of settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Http(Group):
    """The port and what a request may weigh."""

    host: IPvAnyAddress = Field(default=IPv4Address("0.0.0.0"), description="address to listen on")  # noqa: S104
    port: Annotated[int, Field(ge=1, le=65535)] = Field(3000, description="TCP port of all doors")
    workers: Annotated[int, Field(ge=0, le=256)] = Field(
        0, description="worker processes; 0: one per core on CPU, one on a GPU"
    )
    max_body_bytes: PositiveInt = Field(10_000_000, description="largest request body, bytes")
    max_stored_bytes: PositiveInt = Field(
        200_000_000, description="most bytes that bodies on the way may have, of all requests of a worker; more is 429"
    )
    max_images: PositiveInt = Field(1_024, description="most images, or gate rows, in a request")
    timeout_ms: PositiveFloat = Field(
        10_000, description="deadline of a request that names none in X-Request-Timeout-Ms, milliseconds"
    )
    silence_s: PositiveFloat = Field(
        10, description="seconds that a connection may be open without a request that is whole, or being answered"
    )
    drain_s: PositiveInt = Field(30, description="seconds that requests in flight have to finish after SIGTERM")


class Access(Group):
    """Who may ask. `python -m service.keys` makes a key and its hash; only hashes are known here.

    What is given wrongly is not repeated in an error: it may be a key.
    """

    keys: dict[str, KeyHash] = Field(
        default_factory=dict,
        description='hashes of the keys that open every door, as JSON: {"mobile": "sha256:…"}; none: no key is needed',
        repr=False,
    )
    management_keys: dict[str, KeyHash] = Field(
        default_factory=dict,
        description="hashes of the keys that may also load, unload, pin and roll back models, as JSON; "
        "none: only callers of a loopback address may",
        repr=False,
    )


class Models(Group):
    """Which published models are served."""

    root: Path = Field(Path("models/published"), description="folder of published models")
    pins: dict[str, PositiveInt] = Field(
        default_factory=dict, description='default versions other than the highest, as JSON: {"cnn": 1}'
    )
    watch_s: NonNegativeFloat = Field(
        1, description="seconds between two looks at the folder for new versions; 0: only when told to load"
    )
    orders: Path | None = Field(
        None, description="file that keeps pins and unloads made while serving; none: they end with the service"
    )
    keep: PositiveInt = Field(2, description="how many of the newest versions of a model are loaded")
    required: tuple[str, ...] = Field(("cnn",), description="models without which the service is not ready, as JSON")


class Inference(Group):
    """How models are run."""

    engine: Literal["auto", "onnx", "torch"] = Field(
        "auto", description="auto: torch on a GPU or for bfloat16, else ONNX Runtime"
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where models run")
    precision: Precision = Field(
        "float32", description="what digit readers compute in; bfloat16 needs torch, and moves logits by up to 0.2"
    )
    threads: Annotated[int, Field(ge=0, le=256)] = Field(
        0, description="threads inside one operator; 0: cores divided by workers, at least 1"
    )
    max_batch_rows: PositiveInt = Field(256, description="most rows that run as one batch")
    max_queue_rows: Annotated[int, Field(ge=2_048)] = Field(
        4_096, description="most rows that wait for one model; more is 429"
    )
    heartbeat_s: Annotated[float, Field(ge=2, le=600)] = Field(
        10,
        description="not ready when an engine thread is silent for so many seconds; replaced after three times as many",
    )

    @model_validator(mode="after")
    def _agree(self) -> "Inference":
        if self.engine == "onnx" and self.device == "cuda":
            raise ValueError("engine onnx runs on the CPU; for device cuda the engine is torch, or auto")
        if self.engine == "onnx" and self.precision == "bfloat16":
            raise ValueError("engine onnx computes in float32; for precision bfloat16 the engine is torch, or auto")
        return self


class Candidate(Group):
    """A version on trial, and the share of the requests, above 0 and up to 1, that are for it."""

    version: PositiveInt
    share: Annotated[float, Field(gt=0, le=1)]


class Rollout(Group):
    """Versions on trial beside the default, and when they are stopped."""

    canaries: dict[str, Candidate] = Field(
        default_factory=dict,
        description='versions that answer a share of the requests, as JSON: {"cnn": {"version": 3, "share": 0.1}}',
    )
    shadows: dict[str, Candidate] = Field(
        default_factory=dict,
        description="versions that read a share of what the default answers, and answer nobody, as JSON",
    )
    least_agreement: Annotated[NonNegativeFloat, Field(le=1)] = Field(
        0.97, description="stopped where less of its newest 1,000 rows is read alike by the default"
    )
    most_failures: Annotated[NonNegativeFloat, Field(le=1)] = Field(
        0.02,
        description="stopped where it fails in a share of its newest 1,000 requests by so much more than the default",
    )
    least_sample: Annotated[int, Field(ge=1, le=1_000)] = Field(
        200, description="rows compared, or requests, in one worker before either is judged"
    )
    shadow_rows: PositiveInt = Field(
        256, description="most rows of one model that wait to be compared; more are dropped"
    )

    @model_validator(mode="after")
    def _agree(self) -> "Rollout":
        if both := sorted(self.canaries.keys() & self.shadows.keys()):
            raise ValueError(f"model {both[0]} has a canary and a shadow; it may have one of them")
        return self


class Imaging(Group):
    """What a picture may be."""

    max_pixels: PositiveInt = Field(40_000_000, description="largest picture, pixels; larger ones are never decoded")


class Log(Group):
    """What is written to standard error, as JSON lines."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="least severity that is written")
    access_sample: Annotated[NonNegativeFloat, Field(le=1)] = Field(
        0.01, description="share of answered requests that are logged; server errors always are"
    )


class Settings(BaseSettings):
    """All settings. `Settings.load()` reads and checks the environment."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter=DELIMITER, frozen=True, extra="forbid")
    http: Http = Http()
    access: Access = Access()
    models: Models = Models()
    inference: Inference = Inference()
    rollout: Rollout = Rollout()
    imaging: Imaging = Imaging()
    log: Log = Log()

    @classmethod
    def load(cls) -> "Settings":
        """Reads the environment. Raises SettingsError that names every variable that is wrong and what it may be."""
        refuse_unknown(os.environ)
        refuse_unreadable(os.environ)
        try:
            return cls()
        except _ValidationError as error:
            raise SettingsError("; ".join(map(_sentence, error.errors()))) from None

    @model_validator(mode="after")
    def _agree(self) -> "Settings":
        if self.http.max_body_bytes > self.http.max_stored_bytes:
            raise ValueError("AXON_HTTP__MAX_BODY_BYTES is more than AXON_HTTP__MAX_STORED_BYTES, so would never fit")
        if self.http.max_images > self.inference.max_queue_rows:
            raise ValueError("AXON_HTTP__MAX_IMAGES is more than AXON_INFERENCE__MAX_QUEUE_ROWS, so would never fit")
        return self


class Variable(NamedTuple):
    """An environment variable, its default as one would write it, and what it means."""

    name: str
    default: str
    meaning: str


def variables() -> Iterator[Variable]:
    """Every variable of the settings."""
    for group_name, group in Settings.model_fields.items():
        defaults = group.get_default(call_default_factory=True)
        for name, field in type(defaults).model_fields.items():
            value = getattr(defaults, name)
            default = json.dumps(value) if isinstance(value, (dict, tuple)) else str(value)
            yield Variable(_variable((group_name, name)), default, field.description or "")


def refuse_unknown(environment: Mapping[str, str]) -> None:
    """Raises SettingsError for an AXON_ variable that no setting has."""
    known = {variable.name for variable in variables()} | OTHERS_VARIABLES
    for name in sorted(environment):
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            near = difflib.get_close_matches(name.upper(), known, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else "docs/configuration.md lists every name"
            raise SettingsError(f"{name} is not a setting; {hint}")


def refuse_unreadable(environment: Mapping[str, str]) -> None:
    """Raises SettingsError for a list or an object that is not JSON."""
    given = {name.upper(): value for name, value in environment.items()}
    for name, default, _ in variables():
        if name in given and default.startswith(("{", "[")):
            try:
                json.loads(given[name])
            except ValueError:
                got = "" if name in CONFIDENTIAL else f", got {given[name]!r}"
                raise SettingsError(f"{name} must be JSON, such as {default}{got}") from None


def _sentence(item: ErrorDetails) -> str:
    name = _variable(item["loc"])
    if name in CONFIDENTIAL:
        return f'{name} must be a JSON object of names and hashes, {{"mobile": "sha256:<64 hexadecimal digits>"}}'
    return f"{name}: {item['msg']}" + (f", got {item['input']!r}" if len(item["loc"]) > 1 else "")


def _variable(location: tuple[int | str, ...]) -> str:
    return PREFIX + DELIMITER.join(str(part) for part in location[:2]).upper()
