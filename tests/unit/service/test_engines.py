"""The contract of engines: both keep it, on every published model."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load

from models import bundle
from models.bundle import Bundle
from models.repository import Repository
from service.inference.catalog import GOLDEN_TOLERANCE, check_golden
from service.inference.engine import Engine, open_engine
from service.settings import Inference
from tests.servers import REPOSITORY

PUBLISHED = Repository(REPOSITORY / "models" / "published")
ENGINES = {
    "onnx": Inference(engine="onnx"),
    "torch": Inference(engine="torch", device="cpu"),
    "torch-cuda": Inference(engine="torch", device="cuda"),
}


@pytest.fixture(params=ENGINES)
def settings(request: pytest.FixtureRequest) -> Inference:
    if request.param == "torch-cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU")
    return ENGINES[request.param]


@pytest.fixture(params=PUBLISHED.names())
def published_bundle(request: pytest.FixtureRequest) -> Bundle:
    return PUBLISHED.open(request.param)


@pytest.fixture
def engine(published_bundle: Bundle, settings: Inference) -> Engine:
    return open_engine(published_bundle, settings, threads=1)


def inputs(of: Bundle, rows: int) -> np.ndarray:
    golden = load(of.files[bundle.GOLDEN])["inputs"]
    return np.concatenate([golden] * (rows // len(golden) + 1))[:rows]


def test_it_gives_the_published_logits(engine: Engine, published_bundle: Bundle) -> None:
    check_golden(engine, published_bundle)


def test_it_says_what_it_is(engine: Engine, settings: Inference) -> None:
    assert engine.platform == {"onnx": "onnxruntime-cpu", "torch": f"torch-{settings.device}"}[settings.engine]


@pytest.mark.parametrize("rows", [1, 2, 3, 33, 256])
def test_a_row_is_answered_alike_in_any_batch(engine: Engine, published_bundle: Bundle, rows: int) -> None:
    batch = inputs(published_bundle, rows)
    together = engine.predict(batch)
    assert together.dtype == np.float32
    assert together.shape == (rows, published_bundle.manifest.output.shape[-1])
    alone = np.concatenate([engine.predict(batch[row : row + 1]) for row in range(min(rows, 8))])
    assert np.abs(together[:8] - alone).max() < GOLDEN_TOLERANCE


def test_it_does_not_change_its_input(engine: Engine, published_bundle: Bundle) -> None:
    batch = inputs(published_bundle, 4)
    before = batch.copy()
    engine.predict(batch)
    assert (batch == before).all()


def test_both_engines_agree(published_bundle: Bundle) -> None:
    batch = inputs(published_bundle, 64)
    logits = [open_engine(published_bundle, ENGINES[name], 1).predict(batch) for name in ("onnx", "torch")]
    assert np.abs(logits[0] - logits[1]).max() < GOLDEN_TOLERANCE


def test_auto_takes_onnx_runtime_where_no_gpu_is(published_bundle: Bundle) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert open_engine(published_bundle, Inference(), 1).platform == "onnxruntime-cpu"


def test_a_device_that_is_not_there_is_an_error_that_says_so(published: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(RuntimeError, match="no CUDA device; allowed here: auto, cpu"):
        open_engine(PUBLISHED.open("gate-and"), Inference(engine="torch", device="cuda"), 1)
