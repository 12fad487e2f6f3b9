"""The contract of engines: both keep it, on every published version of every model."""

import asyncio
import contextlib
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load

from models import bundle
from models.bundle import Bundle
from models.repository import Repository
from service.inference.batcher import Batcher
from service.inference.catalog import State
from service.inference.engine import Engine, Rows, open_engine, precision_of
from service.inference.loader import GOLDEN_TOLERANCE, QUANTISED, Loader, check_golden
from service.settings import Inference
from tests.servers import REPOSITORY

PUBLISHED = Repository(REPOSITORY / "models" / "published")
ENGINES = {
    "onnx": Inference(engine="onnx"),
    "torch": Inference(engine="torch", device="cpu"),
    "torch-bfloat16": Inference(engine="torch", device="cpu", precision="bfloat16"),
    "torch-cuda": Inference(engine="torch", device="cuda"),
    "torch-cuda-bfloat16": Inference(engine="torch", device="cuda", precision="bfloat16"),
}


@pytest.fixture(params=ENGINES)
def settings(request: pytest.FixtureRequest) -> Inference:
    if ENGINES[request.param].device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU")
    return ENGINES[request.param]


@pytest.fixture(params=[f"{name}/{version}" for name in PUBLISHED.names() for version in PUBLISHED.versions(name)])
def published_bundle(request: pytest.FixtureRequest) -> Bundle:
    name, _, version = request.param.partition("/")
    return PUBLISHED.open(name, int(version))


@pytest.fixture
def engine(published_bundle: Bundle, settings: Inference) -> Engine:
    return open_engine(published_bundle, settings, threads=1)


@pytest.fixture
def tolerance(published_bundle: Bundle, settings: Inference) -> float:
    return GOLDEN_TOLERANCE[precision_of(published_bundle.manifest, settings)]


def inputs(of: Bundle, rows: int) -> np.ndarray:
    golden = load(of.files[bundle.GOLDEN])["inputs"]
    return np.concatenate([golden] * (rows // len(golden) + 1))[:rows]


def test_it_gives_the_published_logits(engine: Engine, published_bundle: Bundle, settings: Inference) -> None:
    check_golden(engine, published_bundle, precision_of(published_bundle.manifest, settings))


def test_it_says_what_it_is(engine: Engine, published_bundle: Bundle, settings: Inference) -> None:
    platform = {"onnx": "onnxruntime-cpu", "torch": f"torch-{settings.device}"}[settings.engine]
    if settings.precision == "bfloat16" and published_bundle.manifest.name in ("cnn", "rnn"):
        platform += "-bfloat16"
    assert engine.platform == platform


@pytest.mark.parametrize("rows", [1, 2, 3, 33, 256, 300])
def test_a_row_is_answered_alike_in_any_batch(
    engine: Engine, published_bundle: Bundle, tolerance: float, rows: int
) -> None:
    batch = inputs(published_bundle, rows)
    together = engine.predict(batch)
    assert together.dtype == np.float32
    assert together.shape == (rows, *published_bundle.manifest.output.shape[1:])
    alone = np.concatenate([engine.predict(batch[row : row + 1]) for row in range(min(rows, 8))])
    assert np.abs(together[:8] - alone).max() < tolerance


def test_rows_may_be_read_only(engine: Engine, published_bundle: Bundle) -> None:
    batch = inputs(published_bundle, 3)
    made_of_bytes = np.frombuffer(batch.tobytes(), batch.dtype).reshape(batch.shape)
    assert np.array_equal(engine.predict(made_of_bytes), engine.predict(batch))


def test_it_answers_everybody_behind_a_batcher(engine: Engine, published_bundle: Bundle, tolerance: float) -> None:
    requests = [inputs(published_bundle, 32)[first : first + 1 + first % 7] for first in range(25)] * 4
    requests.append(inputs(published_bundle, 300))
    expected = [engine.predict(rows) for rows in requests]
    for logits, wanted in zip(asyncio.run(answers(engine, requests)), expected, strict=True):
        assert np.abs(logits - wanted).max() < tolerance


async def answers(engine: Engine, requests: list[Rows]) -> list[np.ndarray]:
    batcher = Batcher("tried", engine, max_batch_rows=256, max_queue_rows=4096)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(batcher.close, 1)
        deadline = time.monotonic() + 60
        return [answer.outputs for answer in await asyncio.gather(*(batcher.submit(r, deadline) for r in requests))]


def test_it_does_not_change_its_input(engine: Engine, published_bundle: Bundle) -> None:
    batch = inputs(published_bundle, 4)
    before = batch.copy()
    engine.predict(batch)
    assert (batch == before).all()


def test_both_engines_agree(published_bundle: Bundle) -> None:
    """On logits; where the graph is in whole numbers, on the digit of every picture that is not between two."""
    batch = inputs(published_bundle, 64)
    graph, weights = (open_engine(published_bundle, ENGINES[name], 1).predict(batch) for name in ("onnx", "torch"))
    difference = np.abs(graph - weights).max()
    if QUANTISED not in load(published_bundle.files[bundle.GOLDEN]):
        assert difference < GOLDEN_TOLERANCE["float32"]
        return
    best, second = np.sort(weights, axis=1)[:, :-3:-1].T
    clear = best - second > 1
    assert clear.mean() > 0.5
    assert difference < 0.5, "half of what is called clear"
    assert (graph.argmax(axis=1) == weights.argmax(axis=1))[clear].all()


def test_bfloat16_is_another_number_and_the_same_digit() -> None:
    cnn = PUBLISHED.open("cnn")
    exact, rounded = (
        open_engine(cnn, ENGINES[name], 1).predict(inputs(cnn, 32)) for name in ("torch", "torch-bfloat16")
    )
    assert np.abs(exact - rounded).max() > GOLDEN_TOLERANCE["float32"]
    assert (exact.argmax(axis=1) == rounded.argmax(axis=1)).all()


def test_a_gate_is_never_rounded() -> None:
    gate = PUBLISHED.open("gate-xor")
    logits = [open_engine(gate, ENGINES[name], 1).predict(inputs(gate, 32)) for name in ("torch", "torch-bfloat16")]
    assert np.array_equal(*logits)


def test_models_that_are_rounded_are_served() -> None:
    loader = Loader(PUBLISHED, ENGINES["torch-bfloat16"], 1)
    states = {name: loader.load(name, PUBLISHED.default(name)).state for name in PUBLISHED.names()}
    assert states == dict.fromkeys(PUBLISHED.names(), State.READY)


def test_bfloat16_is_torchs() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    asked = Inference(precision="bfloat16")
    assert open_engine(PUBLISHED.open("cnn"), asked, 1).platform == "torch-cpu-bfloat16"
    with pytest.raises(ValueError, match="onnx computes in float32"):
        Inference(engine="onnx", precision="bfloat16")


def test_auto_takes_onnx_runtime_where_no_gpu_is(published_bundle: Bundle) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert open_engine(published_bundle, Inference(), 1).platform == "onnxruntime-cpu"


def test_a_device_that_is_not_there_is_an_error_that_says_so(published: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(RuntimeError, match="no CUDA device; allowed here: auto, cpu"):
        open_engine(PUBLISHED.open("gate-and"), Inference(engine="torch", device="cuda"), 1)
