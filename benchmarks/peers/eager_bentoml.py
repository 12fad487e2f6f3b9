"""BentoML as it comes, with the network in eager torch: a class, a type for each argument, and two workers."""

from typing import Annotated, Any

import bentoml
import numpy as np
import torch
from bentoml.validators import DType, Shape
from numpy.typing import NDArray
from PIL.Image import Image
from safetensors.torch import load

from benchmarks.peers.reader import BUNDLE, Images, answer, shrink, softmax
from models.bundle import WEIGHTS
from models.networks import Served, build
from models.repository import Repository


@bentoml.service(workers=2)
class Digits:
    """Reads digits."""

    def __init__(self) -> None:
        bundle = Repository(BUNDLE.parents[1]).open("cnn", int(BUNDLE.name))
        manifest = bundle.manifest
        network = build(manifest.network.kind, manifest.network.config)
        network.load_state_dict(load(bundle.files[WEIGHTS]))
        preprocessing = manifest.input.preprocessing
        assert preprocessing
        self.network = Served(network, preprocessing.mean, preprocessing.std).eval()
        self.temperature = np.float32(manifest.temperature)

    @bentoml.api
    def digits(self, images: Annotated[NDArray[np.uint8], Shape((-1, 28, 28)), DType("uint8")]) -> dict[str, Any]:
        return self.read(images)

    @bentoml.api
    def picture(self, image: Image) -> dict[str, Any]:
        return self.read(shrink(image))

    def read(self, images: Images) -> dict[str, Any]:
        with torch.inference_mode():
            logits = self.network(torch.tensor(images)).numpy()
        return answer(softmax(logits, self.temperature))
