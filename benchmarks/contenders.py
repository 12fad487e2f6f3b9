"""Who runs: Axon and its peers, how each is started, and what each can be asked."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from benchmarks import protocols as p
from benchmarks.peers import reader
from benchmarks.protocols import Answer, Images, Protocol, Reading, Request, Sample
from service.imaging import read_image

WORKERS = 2
AXON = "axon"
V2 = "/v2/models/cnn/infer"


class Variant(NamedTuple):
    """A way of tuning a server that its documentation names."""

    title: str
    arguments: tuple[str, ...] = ()
    variables: Mapping[str, str] = {}


class Contender(NamedTuple):
    """A server: its command line after `python`, its environment variables, and its protocols by case.

    Both are made from a port; the two ports above it are free as well.
    """

    name: str
    title: str
    arguments: Callable[[int], tuple[str, ...]]
    ready: str
    protocols: Mapping[str, Protocol]
    variables: Callable[[int], Mapping[str, str]] = lambda port: {}
    requirements: str = ""  # in `peers/`; none: runs in Axon's own environment
    look: Callable[[bytes], Images] = reader.decode  # how it makes a picture file the image that the model reads
    variants: tuple[Variant, ...] = (Variant(""),)


def _uvicorn(app: str) -> Callable[[int], tuple[str, ...]]:
    loop = ("--loop", "uvloop", "--http", "httptools", "--workers", str(WORKERS))
    quiet = ("--no-access-log", "--log-level", "warning")
    return lambda port: ("-m", "uvicorn", f"benchmarks.peers.{app}", "--port", str(port), *loop, *quiet)


def _answered(
    read: Callable[[Answer], list[Reading]], optional: bool = False, **writers: Callable[[Sample], Request]
) -> dict[str, Protocol]:
    """Protocols by case, whose answers are read alike; underscores stand for hyphens."""
    return {name.replace("_", "-"): Protocol(write, read, optional) for name, write in writers.items()}


_AXON = Contender(
    AXON,
    "Axon",
    lambda port: ("-m", "service"),
    "/readyz",
    _answered(
        p.axon_readings,
        json_1=p.json_arrays("/v1/digits"),
        png_28=p.file("/v1/digits"),
        png_512=p.file("/v1/digits"),
        json_64=p.json_arrays("/v1/digits"),
    )
    | _answered(
        p.open_inference_readings,
        optional=True,
        v2_json_1=p.open_inference_json(V2),
        binary_1=p.open_inference_binary(V2),
        binary_64=p.open_inference_binary(V2),
    ),
    lambda port: {
        "AXON_HTTP__HOST": "127.0.0.1",
        "AXON_HTTP__PORT": str(port),
        "AXON_HTTP__WORKERS": str(WORKERS),
    },
    look=partial(read_image, max_pixels=1_000_000),
)

_FASTAPI = Contender(
    "fastapi",
    "FastAPI + ONNX Runtime",
    _uvicorn("fast_api:app"),
    "/health",
    _answered(
        p.peer_readings,
        json_1=p.json_arrays("/digits"),
        png_28=p.file("/picture"),
        png_512=p.file("/picture"),
        binary_1=p.tensor_bytes("/tensor"),
        json_64=p.json_arrays("/digits"),
        binary_64=p.tensor_bytes("/tensor"),
    ),
    requirements="web.txt",
)

_LITSERVE = Contender(
    "litserve",
    "LitServe + ONNX Runtime",
    lambda port: ("-m", "benchmarks.peers.lit_serve", str(port)),
    "/health",
    _answered(
        p.peer_readings,
        json_1=p.json_arrays("/predict"),
        png_28=p.base64_picture("/predict", "picture"),
        png_512=p.base64_picture("/predict", "picture"),
        json_64=p.json_arrays("/predict"),
    ),
    requirements="lit_serve.txt",
    variants=(
        Variant("default queue"),
        Variant("fast_queue", ("--fast-queue",)),
        Variant("batches of up to 16 within 1 ms", ("--batch", "16")),
    ),
)

_MLSERVER = Contender(
    "mlserver",
    "MLServer + ONNX Runtime",
    lambda port: ("-c", "from mlserver.cli import main; main()", "start", "benchmarks/peers/mlserver"),
    "/v2/health/ready",
    _answered(
        p.open_inference_readings,
        json_1=p.open_inference_json(V2),
        png_28=p.open_inference_picture(V2),
        png_512=p.open_inference_picture(V2),
        json_64=p.open_inference_json(V2),
    ),
    lambda port: {
        "MLSERVER_HTTP_PORT": str(port),
        "MLSERVER_GRPC_PORT": str(port + 1),
        "MLSERVER_METRICS_PORT": str(port + 2),
    },
    requirements="mlserver/requirements.txt",
    variants=tuple(
        Variant(f"parallel_workers {count}", variables={"MLSERVER_PARALLEL_WORKERS": str(count)}) for count in (0, 1, 2)
    ),
)

_BENTOML = Contender(
    "bentoml",
    "BentoML + eager torch",
    lambda port: (
        *("-m", "bentoml", "serve", "benchmarks.peers.eager_bentoml:Digits"),
        *("--host", "127.0.0.1", "--port", str(port)),
    ),
    "/readyz",
    _answered(
        p.peer_readings,
        json_1=p.json_arrays("/digits"),
        png_28=p.form("/picture", "image"),
        png_512=p.form("/picture", "image"),
        json_64=p.json_arrays("/digits"),
    ),
    lambda port: {"BENTOML_DO_NOT_TRACK": "True"},
)

_BARE = Contender(
    "bare",
    "bare ASGI + ONNX Runtime",
    _uvicorn("bare_asgi:app"),
    "/",
    _answered(
        p.peer_readings,
        json_1=p.json_arrays("/"),
        png_28=p.file("/"),
        png_512=p.file("/"),
        binary_1=p.tensor_bytes("/"),
        json_64=p.json_arrays("/"),
        binary_64=p.tensor_bytes("/"),
    ),
    requirements="web.txt",
)

CONTENDERS = {contender.name: contender for contender in (_AXON, _FASTAPI, _LITSERVE, _MLSERVER, _BENTOML, _BARE)}
