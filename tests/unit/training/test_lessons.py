from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy, softmax

from training import cnn, data, lessons, loop, run
from training.augment import Soiling
from training.lessons import Lessons, LessonsError
from training.options import Options
from training.recipe import Distillation, Recipe
from training.run import RunError

TEACHER = cnn.RECIPE.model_copy(
    update={
        "name": "tiny-teacher",
        "config": {"stem": 2, "width": 4},
        "epochs": 2,
        "batch_size": 32,
        "soiling": Soiling(),
        "distillation": None,
    }
)
STUDENT: Recipe = TEACHER.model_copy(update={"name": "tiny", "epochs": 4, "calm": 0.25, "distillation": Distillation()})


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> Options:
    return Options(dataset="sklearn", runs=tmp_path_factory.mktemp("runs"), device="cpu")


@pytest.fixture(scope="module")
def teacher(options: Options) -> Path:
    return loop.train(TEACHER, options).folder


@pytest.fixture(scope="module")
def made(options: Options, teacher: Path) -> Lessons:
    lessons.make([teacher], TEACHER, 2, 1, options)
    return Lessons(options.runs)


def test_a_lesson_has_every_training_image_and_what_the_teacher_says_of_it(
    options: Options, teacher: Path, made: Lessons
) -> None:
    training, _ = data.open_training("sklearn", options.data)
    lesson = made.open(0, calm_from=3)
    assert lesson.images.shape == training.images.shape
    assert lesson.images.dtype == torch.uint8
    network = run.find(teacher).load_network()
    with torch.inference_mode():
        said = network(data.standardise(lesson.images))
    torch.testing.assert_close(lesson.logits.float(), said, atol=0.1, rtol=0.05)  # it was said in bfloat16


def test_soiled_lessons_come_in_turn_and_calm_ones_at_the_end(made: Lessons) -> None:
    seen = [made.open(epoch, calm_from=3).images for epoch in range(5)]
    assert torch.equal(seen[0], seen[2])
    assert not torch.equal(seen[0], seen[1])
    assert torch.equal(seen[3], seen[4])
    noise = [float((images[:, 0, 0] > 0).float().mean()) for images in seen]
    assert noise[0] > 0.2 > noise[3]


def test_lessons_are_not_made_twice(options: Options, teacher: Path, made: Lessons) -> None:
    files = sorted((options.runs / lessons.FOLDER).glob("*.safetensors"))
    before = [file.stat().st_mtime_ns for file in files]
    assert lessons.make([teacher], TEACHER, 2, 1, options).sha256 == made.record.sha256
    assert [file.stat().st_mtime_ns for file in files] == before


def test_a_student_records_what_it_was_taught(options: Options, made: Lessons) -> None:
    learnt = loop.train(STUDENT, options)
    assert learnt.record.recipe["lessons"] == made.record.sha256
    assert learnt.is_complete


def test_without_lessons_there_is_no_student(tmp_path: Path) -> None:
    with pytest.raises(LessonsError, match="has no lessons"):
        loop.train(STUDENT, Options(dataset="sklearn", runs=tmp_path, device="cpu"))


def test_a_teacher_that_has_not_ended_teaches_nobody(tmp_path: Path) -> None:
    with pytest.raises(RunError):
        lessons.make([tmp_path], TEACHER, 1, 0, Options(dataset="sklearn", runs=tmp_path))


def test_a_student_that_agrees_with_its_teachers_has_only_the_labels_to_learn() -> None:
    taught, labels = torch.randn(8, 10), torch.arange(8)
    distillation = Distillation(temperature=2.0, weight=0.75)
    agreed = loop.distil(distillation, taught, labels, taught)
    assert agreed == pytest.approx(0.25 * float(cross_entropy(taught, labels)), rel=1e-5)


def test_the_distance_to_the_teachers_is_that_of_softened_probabilities() -> None:
    taught, logits = torch.randn(8, 10), torch.randn(8, 10)
    distance = loop.distil(Distillation(temperature=3.0, weight=1.0), taught, torch.zeros(8, dtype=torch.long), logits)
    wanted, given = softmax(taught / 3, dim=1), softmax(logits / 3, dim=1)
    assert distance == pytest.approx(9 * float((wanted * (wanted / given).log()).sum() / 8), rel=1e-4)
