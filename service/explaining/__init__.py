"""Why a model read what it read: what each pixel counts for, and what a recurrent reader believes row after row.

It knows images and probabilities. It asks no model itself: the pipeline does, in the queue where all requests wait.
"""

from service.explaining.occlusion import Occlusions, occlude
from service.explaining.overlay import draw
from service.explaining.steps import read_steps

__all__ = ["Occlusions", "draw", "occlude", "read_steps"]
