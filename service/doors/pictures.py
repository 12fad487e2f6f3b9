"""Reads picture files beside the event loop: a large picture takes a quarter of a second and hundreds of megabytes.

One thread per worker process does it, so that pictures never take more than that from the requests that bring arrays,
and memory is bounded by one picture, not by the number of requests.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from service import imaging
from service.errors import AxonError, DeadlineExceeded

SIDE = 28

File = TypeVar("File")
Result = TypeVar("Result")


class Images(NamedTuple):
    """uint8[N, 28, 28], the seconds that decoding and normalising took, and which show several digits: bool[N]."""

    images: NDArray[np.uint8]
    decode_s: float = 0.0
    normalise_s: float = 0.0
    are_several: NDArray[np.bool_] | None = None


class Written(NamedTuple):
    """What is written in a picture, by how much it was reduced, and the seconds that this took."""

    writing: imaging.Writing
    reduced: tuple[float, float]
    decode_s: float = 0.0
    segment_s: float = 0.0


class Pictures:
    """Turns files into images, one after the other."""

    def __init__(self, max_pixels: int) -> None:
        self._max_pixels = max_pixels
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pictures")

    async def read(self, files: list[bytes], deadline: float, places: Sequence[int] | None = None) -> Images:
        """Reads files in order; of several, an error names the one, by its place among all images of the request.

        Raises what imaging raises, and DeadlineExceeded, before a file or while waiting.
        """
        named = places or (range(len(files)) if len(files) > 1 else None)
        return await self._within(deadline, partial(self._read, places=named), files)

    async def read_number(self, file: bytes, deadline: float) -> Written:
        """Reads a file with several digits. Raises as `read` does, and UnusableInput for far too many."""
        return await self._within(deadline, self._read_number, file)

    def close(self) -> None:
        """Drops what has not begun."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _within(self, deadline: float, act: Callable[[File, float], Result], file: File) -> Result:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                return await loop.run_in_executor(self._thread, act, file, deadline)
        except TimeoutError:
            raise DeadlineExceeded("the deadline passed before the pictures were decoded") from None

    def _read_number(self, data: bytes, deadline: float) -> Written:
        began = time.perf_counter()
        if time.monotonic() > deadline:
            raise TimeoutError
        grey = imaging.decode(data, self._max_pixels)
        decoded = time.perf_counter()
        writing = imaging.find_strips(grey)
        return Written(writing, imaging.reduced_by(data, grey), decoded - began, time.perf_counter() - decoded)

    def _read(self, files: list[bytes], deadline: float, places: Sequence[int] | None) -> Images:
        images = np.empty((len(files), SIDE, SIDE), np.uint8)
        are_several = np.zeros(len(files), bool)
        decode_s = normalise_s = 0.0
        for index, data in enumerate(files):
            began = time.perf_counter()
            if time.monotonic() > deadline:
                raise TimeoutError
            try:
                grey = imaging.decode(data, self._max_pixels)
                decoded = time.perf_counter()
                images[index], are_several[index] = imaging.frame(grey)
            except AxonError as error:
                if places is not None:
                    error.message = f"images[{places[index]}]: {error.message}"
                raise
            decode_s += decoded - began
            normalise_s += time.perf_counter() - decoded
        return Images(images, decode_s, normalise_s, are_several)
