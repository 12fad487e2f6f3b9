"""The server and its models to who asks what there is: health, metadata, configuration, statistics, repository."""

import asyncio
from typing import Any

from starlette.requests import Request

from service import VERSION
from service.doors import body, intake
from service.doors.open_inference.faces import Face, Spec, face_of
from service.doors.open_inference.inference import find, number_of
from service.doors.open_inference.request import parameters_of
from service.doors.rest.exchange import Answer, answer
from service.errors import InvalidInput, NotReady, UnknownModel
from service.inference.catalog import Catalog, Entry, State
from service.inference.management import Management
from service.inference.pipeline import Pipeline
from service.inference.queue import PRIORITIES, USUAL
from service.settings import Settings
from service.telemetry import statistics, tally

EXTENSIONS = (
    "binary_tensor_data",
    "classification",
    "model_configuration",
    "model_repository",
    "schedule_policy",
    "statistics",
)
MOST_BYTES = 10_000  # of an order's body
STATES = {State.READY: "READY", State.LOADING: "LOADING"}  # the protocol's words; UNAVAILABLE for all others


class Described:
    """The handlers of what is read about server and models."""

    def __init__(self, pipeline: Pipeline, settings: Settings) -> None:
        self._pipeline = pipeline
        self._catalog = pipeline.catalog
        self._max_rows = settings.http.max_images
        self._keep = settings.models.keep

    async def live(self, request: Request) -> Answer:
        """200 while the process answers."""
        return answer({"live": True})

    async def ready(self, request: Request) -> Answer:
        """As /readyz."""
        if reason := self._catalog.why_not_ready():
            raise NotReady(f"the server is not ready: {reason}", retry_after_s=1)
        return answer({"ready": True, "live": True})

    async def server(self, request: Request) -> Answer:
        """What this is and can do."""
        return answer({"name": "axon", "version": VERSION, "extensions": EXTENSIONS})

    async def model_ready(self, request: Request) -> Answer:
        """200 where the model, or this version of it, serves, and its engine answers."""
        model = find(self._pipeline, request)
        if reason := self._catalog.why_not_answering(model):
            raise NotReady(f"model {model.name!r} is not ready: {reason}", retry_after_s=1)
        return answer({"name": model.name, "ready": True})

    async def metadata(self, request: Request) -> Answer:
        """A model's tensors; -1 is the batch."""
        model = find(self._pipeline, request)
        face = face_of(model)
        versions = [str(other.version) for other in self._catalog.ready() if other.name == model.name]
        return answer(
            {
                "name": model.name,
                "versions": versions,
                "platform": model.platform,
                "inputs": [_tensor(face.input)],
                "outputs": [_tensor(spec) for spec in face.outputs],
                "properties": _properties(face) | {"version": str(model.version), "sha256": model.bundle.sha256},
            }
        )

    async def configuration(self, request: Request) -> Answer:
        """A model's configuration, in the words that Triton's tools read."""
        model = find(self._pipeline, request)
        face = face_of(model)
        return answer(
            {
                "name": model.name,
                "platform": model.platform,
                "backend": model.platform.partition("-")[0],
                "version_policy": {"latest": {"num_versions": self._keep}},
                "max_batch_size": self._max_rows,
                "input": [_dims(face.input)],
                "output": [_dims(spec) for spec in face.outputs],
                "dynamic_batching": {"priority_levels": PRIORITIES, "default_priority_level": USUAL},
            }
        )

    async def statistics(self, request: Request) -> Answer:
        """What versions have done, in all workers."""
        name, version = request.path_params.get("name"), request.path_params.get("version")
        if name is not None:
            find(self._pipeline, request)
        self._pipeline.flush()
        await asyncio.sleep(tally.SETTLED_S)
        counted = await asyncio.to_thread(statistics.read)
        models = [
            statistics.describe(counted, model.name, model.version)
            for model in self._catalog.ready()
            if name in (None, model.name) and (version is None or model.version == number_of(version))
        ]
        return answer({"model_stats": models})


class Repository:
    """The handlers of the model repository extension."""

    def __init__(self, catalog: Catalog, management: Management, settings: Settings) -> None:
        self._catalog = catalog
        self._management = management
        self._timeout_ms = settings.http.timeout_ms

    async def index(self, request: Request) -> Answer:
        """Every version with its state; with {"ready": true} those that serve."""
        document = await self._document(request)
        only_ready = document.get("ready", False)
        if not isinstance(only_ready, bool):
            raise InvalidInput("ready must be true or false")
        entries = self._catalog.entries()
        return answer([_listing(entry) for entry in entries if entry.state is State.READY or not only_ready])

    async def load(self, request: Request) -> Answer:
        """Looks for new versions, and loads what is to be loaded."""
        parameters = await self._parameters(request)
        if given := sorted(name for name in parameters if name == "config" or name.startswith("file:")):
            raise InvalidInput(f"a model is loaded as it was published; {given[0]!r} cannot be given")
        return await self._done(self._management.load(request.path_params["name"]))

    async def unload(self, request: Request) -> Answer:
        """Stops serving a model; none depends on another."""
        await self._parameters(request)
        return await self._done(self._management.unload(request.path_params["name"]))

    async def _done(self, order: Any) -> Answer:
        try:
            await order
        except UnknownModel as error:
            raise UnknownModel(f"Request for unknown model: {error.message}") from None
        return answer({})

    async def _parameters(self, request: Request) -> dict[str, Any]:
        return parameters_of(await self._document(request), "the order")

    async def _document(self, request: Request) -> dict[str, Any]:
        """The body, which may be empty."""
        deadline = body.deadline_of(request.scope, self._timeout_ms)
        content = await body.read_bytes(request.scope, body.BoundedReceive(request.receive, MOST_BYTES), deadline)
        document = intake.parse_json(content) if content.strip() else {}
        if not isinstance(document, dict):
            raise InvalidInput("the body must be a JSON object, or nothing")
        return document


def _tensor(spec: Spec) -> dict[str, Any]:
    return {"name": spec.name, "datatype": spec.datatype, "shape": spec.shape}


def _dims(spec: Spec) -> dict[str, Any]:
    """Without the batch, and with the configuration's names of types."""
    datatype = "STRING" if spec.datatype == "BYTES" else spec.datatype
    described = {"name": spec.name, "data_type": f"TYPE_{datatype}", "dims": spec.shape[1:] or [1]}
    return described if spec.shape[1:] else described | {"reshape": {"shape": []}}


def _properties(face: Face) -> dict[str, str]:
    """What goes beyond the two lists: text, as the protocol has it."""
    properties = {}
    if face.input.others:
        properties["input_datatypes"] = ", ".join((face.input.datatype, *face.input.others))
    if face.extra:
        properties["outputs_on_request"] = ", ".join(spec.name for spec in face.extra)
    return properties


def _listing(entry: Entry) -> dict[str, str]:
    """FAILED is no word of the protocol's: it goes before the reason."""
    reason = "" if entry.state is State.READY else ": ".join(filter(None, (entry.state, entry.reason)))
    return {
        "name": entry.name,
        "version": str(entry.version),
        "state": STATES.get(entry.state, "UNAVAILABLE"),
        "reason": reason,
    }
