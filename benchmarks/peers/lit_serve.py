"""LitServe: two inference workers and two API servers, arrays or base64 pictures in JSON.

python -m benchmarks.peers.lit_serve PORT [--fast-queue] [--batch N]
"""

import argparse
import base64
from typing import Any

import litserve
import numpy as np

from benchmarks.peers.reader import Images, Probabilities, Reader, answer, checked, decode

WORKERS = 2


class Digits(litserve.LitAPI):
    """Its life as LitServe calls it: setup, then decode, predict, encode for each request."""

    def setup(self, device: str) -> None:
        self.reader = Reader()

    def decode_request(self, request: dict[str, Any]) -> Images:
        if "picture" in request:
            return decode(base64.b64decode(request["picture"]))
        return checked(request["images"])

    def batch(self, inputs: list[Images]) -> Images:
        self.lengths = [len(images) for images in inputs]
        return np.concatenate(inputs)

    def predict(self, images: Images) -> Probabilities:
        return self.reader.read(images)

    def unbatch(self, output: Probabilities) -> list[Probabilities]:
        return np.split(output, np.cumsum(self.lengths)[:-1])

    def encode_response(self, output: Probabilities) -> dict[str, Any]:
        return answer(output)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("--fast-queue", action="store_true")
    parser.add_argument("--batch", type=int, default=1)
    options = parser.parse_args()
    api = Digits(max_batch_size=options.batch, batch_timeout=0.001 if options.batch > 1 else 0.0)
    server = litserve.LitServer(
        api, accelerator="cpu", workers_per_device=WORKERS, fast_queue=options.fast_queue, timeout=30
    )
    server.run(host="127.0.0.1", port=options.port, log_level="error", generate_client_file=False, access_log=False)


if __name__ == "__main__":
    main()
