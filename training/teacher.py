"""Teachers: larger networks whose answers the served readers learn from (training/lessons.py). They are not published.

python -m training teacher --kind wide --seed 0
python -m training teacher --kind deep --seed 0
python -m training lessons runs/teacher-wide-seed0 runs/teacher-deep-seed0
"""

from training import loop
from training.augment import Soiling
from training.options import Options
from training.recipe import Recipe
from training.run import Run

CONFIGS = {"wide": {"stem": 64, "width": 128}, "deep": {"stem": 48, "width": 96, "depth": 2}}


def recipe_for(kind: str) -> Recipe:
    """The recipe of one of TEACHERS."""
    return Recipe(
        name=f"teacher-{kind}",
        network="cnn",
        config=CONFIGS[kind],
        epochs=60,
        batch_size=256,
        optimizer="sgd",
        peak_rate=0.2,
        weight_decay=5e-4,
        averaging=0.998,
        soiling=Soiling(often=0.15),
        calm=0.3,
        floor=0.995,
    )


def main(options: Options, recipe: Recipe) -> Run:
    """Trains a teacher, or continues the run that was begun."""
    return loop.train(recipe, options)
