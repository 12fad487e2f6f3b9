"""Runs in the KServe SDK's environment: does what standard input asks, line by line, with the SDK's inference client.

A line holds a method of `InferenceRESTClient` and its arguments as JSON; a line that answers holds `said`, or the
`error` that the client raised. This file imports nothing of ours.
"""

import asyncio
import json
import sys
from typing import Any

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig
from kserve.protocol.infer_type import RequestedOutput


def request(model: str, inputs: list[dict[str, Any]], outputs: list[dict[str, Any]], **more: Any) -> InferRequest:
    """The SDK's own request."""
    tensors = []
    for one in inputs:
        tensors.append(InferInput(one["name"], one["shape"], one["datatype"]))
        values = [value.encode() for value in one["data"]] if one["datatype"] == "BYTES" else one["data"]
        array = np.array(values, one["dtype"]).reshape(one["shape"])
        tensors[-1].set_data_from_numpy(array, binary_data=one["binary"])
    wanted = [RequestedOutput(one["name"], one.get("parameters")) for one in outputs]
    return InferRequest(model, tensors, request_outputs=wanted or None, **more)


async def answer(client: InferenceRESTClient, url: str, question: dict[str, Any]) -> Any:
    """What the client returns; of an inference, its outputs."""
    method = question.pop("method")
    if method != "infer":
        return await getattr(client, method)(url, **question)
    model, headers = question["model"], {}
    result = await client.infer(url, request(**question), model_name=model, response_headers=headers)
    return {
        "id": result.id,
        "model": result.model_name,
        "outputs": {one.name: one.as_numpy().tolist() for one in result.outputs},
        "is_binary": "inference-header-content-length" in headers,
    }


async def main(url: str) -> None:
    async with InferenceRESTClient(RESTConfig(protocol="v2", retries=0)) as client:
        for line in sys.stdin:
            try:
                said: dict[str, Any] = {"said": await answer(client, url, json.loads(line))}
            except httpx.HTTPStatusError as error:
                said = {"error": str(error), "status": error.response.status_code}
            print(json.dumps(said), flush=True)


asyncio.run(main(sys.argv[1]))
