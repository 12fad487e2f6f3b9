"""Publication in a real git repository, with scikit-learn's digits."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.numpy import load

from models import bundle
from models.bundle import BundleExists
from models.repository import Repository
from service.inference.loader import check_golden
from service.inference.onnx_engine import OnnxEngine
from training import cnn, evaluate, gate, line, loop, report, rnn, run
from training.gate import recipe_for
from training.options import PUBLISHED, Options, TrainingError
from training.publish import Refused, publish
from training.recipe import Recipe
from training.run import Run, RunError

SMALL = {"config": {"stem": 4, "width": 8}, "epochs": 3, "batch_size": 64, "max_examples": 512, "floor": 0.0}


@pytest.fixture(autouse=True)
def few_drawings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "DRAWN", 20)


def git(repository: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=tests", "-c", "user.email=tests@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=repository, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "code.py").write_text("print('hello')\n")
    (folder / ".gitignore").write_text("runs/\n")
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "Start")
    return folder


def options(repository: Path) -> Options:
    return Options(
        dataset="sklearn", runs=repository / "runs", device="cpu", repository=repository, command="a command"
    )


def publish_in(repository: Path, made: Run, version: int | None = None) -> bundle.Manifest:
    shelf = repository / "models" / "published"
    return publish(made.folder, Path(), shelf, repository, version)


def train_gate(repository: Path, **changes: object) -> Run:
    return gate.main(options(repository), recipe_for("or").model_copy(update={"seeds": 4} | changes))


@pytest.mark.parametrize("recipe", [cnn.RECIPE, rnn.RECIPE], ids=["cnn", "rnn"])
def test_a_reader_is_published_whole(recipe: Recipe, repository: Path) -> None:
    config = {"stem": 4, "width": 8} if recipe.network == "cnn" else {"hidden": 16}
    made = loop.train(recipe.model_copy(update=SMALL | {"config": config}), options(repository))
    published = publish_in(repository, made)
    read = bundle.read(repository / "models" / "published" / recipe.name / "1")
    assert read.manifest == published
    assert published.metrics.test.n == 360
    assert published.metrics.seeds.mean == pytest.approx(published.metrics.test.accuracy, abs=1e-6)
    assert published.metrics.seeds.n == 1
    assert published.network.quantised is recipe.quantised
    assert published.metrics.onnx_max_difference < (1.0 if recipe.quantised else 1e-4)
    golden = load(read.files[bundle.GOLDEN])
    assert ("quantised_logits" in golden) is recipe.quantised
    check_golden(OnnxEngine(read, threads=1), read)
    assert published.provenance.command == "a command"
    assert set(published.reference) == {"ink", "width", "height", "grey", "digit", "confidence"}
    assert {"card.md", "figures/confusion.png", "figures/learning-curves.png"} < set(read.files)
    assert (made.folder / "mistakes.png").exists()
    assert sum(map(len, read.files.values())) < 5_000_000
    assert str(repository).encode() not in b"".join(read.files.values())


def train_line(repository: Path, **changes: object) -> Run:
    """A run of one short epoch, whose weights are then those that are published."""
    recipe = line.RECIPE.model_copy(update={"epochs": 1, "lines": 64, "batch_size": 16, "floor": 0.0} | changes)
    made = line.main(options(repository), recipe)
    run.write_whole(made.folder / run.WEIGHTS, Repository(PUBLISHED).open("line").files[bundle.WEIGHTS])
    return made


def test_a_line_reader_is_published_whole(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "LINES", 60)
    made = train_line(repository)
    published = publish_in(repository, made)
    read = bundle.read(repository / "models" / "published" / "line" / "1")
    assert read.manifest == published
    assert published.output.shape == (-1, 160, 12)
    assert (published.metrics.test.n, published.metrics.validation.n) == (60, 60)
    assert 0.3 < published.metrics.test.accuracy <= 1
    assert set(published.metrics.robustness) == {"lines_apart", "lines_touching", "strange_characters_refused"}
    assert published.metrics.onnx_max_difference < 1e-3
    assert 0 < published.rejection.min_confidence < 1
    check_golden(OnnxEngine(read, threads=1), read)
    assert {"card.md", "figures/answers.png", "figures/learning-curves.png"} < set(read.files)
    assert f"test        n 60  accuracy {published.metrics.test.accuracy:.2%}" in report.describe_run(
        made.folder, Path()
    )


def test_a_line_reader_that_reads_nothing_is_refused(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "LINES", 20)
    recipe = line.RECIPE.model_copy(update={"epochs": 1, "lines": 64, "batch_size": 16})
    made = line.main(options(repository), recipe)
    with pytest.raises(TrainingError, match="train the reader for longer"):
        publish_in(repository, made)


def test_a_run_is_evaluated_in_words_and_pictures_and_as_it_is_published(repository: Path) -> None:
    made = loop.train(cnn.RECIPE.model_copy(update=SMALL), options(repository))
    told = report.describe_run(made.folder, Path())
    published = publish_in(repository, made)
    assert f"test        n 360  accuracy {published.metrics.test.accuracy:.2%}" in told
    assert f"corrupted_mean               {published.metrics.robustness['corrupted_mean']}" in told
    shelved = repository / "models" / "published" / "cnn" / "1"
    for name in ("confusion", "reliability", "coverage"):
        assert f"figures/{name}.png" in told
        assert (made.folder / "figures" / f"{name}.png").read_bytes() == (
            shelved / "figures" / f"{name}.png"
        ).read_bytes()


def test_seeds_are_told_together_and_compared_with_what_is_published(repository: Path) -> None:
    small = cnn.RECIPE.model_copy(update=SMALL)
    first, _ = (loop.train(small, replace(options(repository), seed=seed)) for seed in (0, 1))
    seeds = publish_in(repository, first).metrics.seeds
    assert seeds.n == 2
    assert 0 < seeds.min <= seeds.mean <= seeds.max < 1
    shelf = repository / "models" / "published"
    told = report.over_seeds(repository / "runs", Path(), shelf).splitlines()
    assert told[0].startswith("cnn-seed0")
    assert "+0 images, by chance with p = 1.000" in told[0]
    assert told[1].startswith("cnn-seed1")
    assert told[2].endswith("of 2 seeds")


def test_several_gates_are_published_one_after_another(repository: Path) -> None:
    made = train_gate(repository)
    assert [publish_in(repository, made).version for _ in range(2)] == [1, 2]


def test_nothing_is_overwritten(repository: Path) -> None:
    made = train_gate(repository)
    publish_in(repository, made)
    with pytest.raises((Refused, BundleExists), match="immutable"):
        publish_in(repository, made, version=1)


def test_a_dirty_tree_is_refused(repository: Path) -> None:
    made = train_gate(repository)
    (repository / "code.py").write_text("print('changed')\n")
    with pytest.raises(Refused, match="not committed"):
        publish_in(repository, made)
    assert not (repository / "models").exists()


def test_a_run_from_a_dirty_tree_is_refused(repository: Path) -> None:
    (repository / "new.py").write_text("")
    made = train_gate(repository)
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message", "Too late")
    with pytest.raises(Refused, match="train it again"):
        publish_in(repository, made)


def test_a_gate_under_the_floor_is_refused(repository: Path) -> None:
    made = train_gate(repository, floor_both_inputs=0.26)
    with pytest.raises(Refused, match=r"noise tolerated on both inputs, worst seed is 0\.2"):
        publish_in(repository, made)


def test_a_reader_under_the_floor_is_refused(repository: Path) -> None:
    made = loop.train(cnn.RECIPE.model_copy(update=SMALL | {"epochs": 1, "floor": 0.999}), options(repository))
    with pytest.raises(Refused, match=r"test accuracy is .* floor is 0\.9990"):
        publish_in(repository, made)
    assert not (repository / "models").exists()


def test_a_run_that_has_not_ended_is_refused(repository: Path) -> None:
    made = train_gate(repository)
    (made.folder / "weights.safetensors").unlink()
    with pytest.raises(RunError, match="--resume"):
        publish_in(repository, made)
