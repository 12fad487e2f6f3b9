"""Runs in MLServer's environment: makes requests with its types and codecs, and reads answers with them, line by line.

A line of standard input holds a task and what it is given, as JSON; the line that answers holds what came of it. This
file imports nothing of ours.
"""

import base64
import json
import sys
from typing import Any

import numpy as np
from mlserver import types
from mlserver.codecs import Base64Codec, NumpyCodec, NumpyRequestCodec, StringCodec


def encode(arrays: dict[str, Any], dtype: str, outputs: list[str], **more: Any) -> str:
    """A request with these arrays, as JSON, by `NumpyCodec`."""
    inputs = [NumpyCodec.encode_input(name, np.array(values, dtype)) for name, values in arrays.items()]
    wanted = [types.RequestOutput(name=name) for name in outputs]
    return types.InferenceRequest(inputs=inputs, outputs=wanted or None, **more).model_dump_json()


def encode_whole(values: Any, dtype: str) -> str:
    """A request with one array, by `NumpyRequestCodec`, whose tensor is then given its name."""
    request = NumpyRequestCodec.encode_request(np.array(values, dtype))
    request.inputs[0].name = "images"
    return request.model_dump_json()


def encode_files(files: list[str]) -> str:
    """A request with files, by `Base64Codec`; they come here as base64 text."""
    content = [base64.b64decode(file) for file in files]
    return types.InferenceRequest(
        inputs=[Base64Codec.encode_input("images", content, use_bytes=False)],
        outputs=[types.RequestOutput(name=name) for name in ("probabilities", "digits", "reasons")],
    ).model_dump_json()


def decode(answer: str) -> dict[str, Any]:
    """An answer, parsed; its tensors by `NumpyCodec`, or by `StringCodec` where they are text."""
    response = types.InferenceResponse.model_validate_json(answer)
    tensors = {}
    for output in response.outputs:
        is_text = output.datatype == "BYTES"
        tensors[output.name] = (
            StringCodec.decode_output(output) if is_text else NumpyCodec.decode_output(output).tolist()
        )
    return {"id": response.id, "model": response.model_name, "version": response.model_version, "tensors": tensors}


def parse(kind: str, answer: str) -> Any:
    """Any other answer, parsed by the type of this name, as MLServer would write it."""
    return json.loads(getattr(types, kind).model_validate_json(answer).model_dump_json())


TASKS = {task.__name__: task for task in (encode, encode_whole, encode_files, decode, parse)}

for line in sys.stdin:
    given = json.loads(line)
    print(json.dumps(TASKS[given.pop("task")](**given)), flush=True)
