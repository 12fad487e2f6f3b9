"""Teachers: larger networks whose answers the served readers learn from (training/lessons.py). They are not published.

Two look and two read, because those who err on different images are right together: each alone reads 99.6 % of the
validation images, a convolutional and a recurrent one together more than two of a kind.

    for kind in wide deep rows columns; do python -m training teacher --kind $kind; done
    python -m training lessons runs/teacher-{wide,deep,rows,columns}-seed0
"""

from typing import Any

from training import cnn, loop, rnn
from training.augment import Soiling
from training.options import Options
from training.recipe import Recipe
from training.run import Run

CONFIGS: dict[str, dict[str, Any]] = {
    "wide": {"stem": 64, "width": 128},
    "deep": {"stem": 48, "width": 96, "depth": 2},
    "rows": {"hidden": 192},
    "columns": {"hidden": 192, "lines": "columns"},
}


def recipe_for(kind: str) -> Recipe:
    """The recipe of one of TEACHERS."""
    config = CONFIGS[kind]
    reader, epochs = (rnn.RECIPE, 40) if "hidden" in config else (cnn.RECIPE, 30)
    changes = {"name": f"teacher-{kind}", "config": config, "epochs": epochs, "soiling": Soiling(), "floor": 0.995}
    return reader.model_copy(update=changes | {"quantised": False})


def main(options: Options, recipe: Recipe) -> Run:
    """Trains a teacher, or continues the run that was begun."""
    return loop.train(recipe, options)
