"""Trains a reader for whom nothing hangs on chance once the seed is drawn, neither on who learns beside it.

No image is bent, nothing is dropped, nothing is normalised over a batch: processes that share the batches must take
the steps that one takes alone. `python -m tests.integration.training.still RUNS`, also under torchrun.
"""

import os
import sys
from pathlib import Path

from training import loop, rnn
from training.augment import Augmentation
from training.options import Options
from training.recipe import Recipe

UNBENT = Augmentation(rotation_degrees=0, shear=0, scale=0, shift_pixels=0, elastic_pixels=0)
RECIPE: Recipe = rnn.RECIPE.smoke().model_copy(
    update={"name": "still", "augmentation": UNBENT, "optimizer": "sgd", "peak_rate": 0.2}
)

if __name__ == "__main__":
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    loop.train(RECIPE, Options(dataset="sklearn", device="cpu", runs=Path(sys.argv[1]), processes=processes))
