"""FastAPI with pydantic models in and out.

The handlers are coroutines: an inference of a fraction of a millisecond is cheaper than the hop to a thread that
`def` would cost.
"""

from typing import Annotated

import numpy as np
from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel, Field

from benchmarks.peers.reader import Images, Reader, answer, decode, unpacked

Row = Annotated[list[Annotated[int, Field(ge=0, le=255)]], Field(min_length=28, max_length=28)]
Image = Annotated[list[Row], Field(min_length=28, max_length=28)]


class Digits(BaseModel):
    """What comes in."""

    images: Annotated[list[Image], Field(min_length=1)]


class Prediction(BaseModel):
    """What is read in one image."""

    digit: int
    probabilities: list[float]


class Answer(BaseModel):
    """What goes out."""

    predictions: list[Prediction]


app = FastAPI()
reader = Reader()


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/digits")
async def digits(question: Digits) -> Answer:
    return read(np.array(question.images, np.uint8))


@app.post("/picture")
async def picture(request: Request) -> Answer:
    try:
        return read(decode(await request.body()))
    except OSError as error:
        raise HTTPException(415, "the body is not a picture") from error


@app.post("/tensor")
async def tensor(request: Request) -> Answer:
    try:
        return read(unpacked(await request.body()))
    except ValueError as error:
        raise HTTPException(422, "the body must be 784 bytes an image") from error


def read(images: Images) -> Answer:
    return Answer.model_validate(answer(reader.read(images)))
