"""/v1/gates: truth tables, weights and decision surfaces of the logic gates, and their outputs for any inputs."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load as load_tensors
from starlette.requests import Request

from models.bundle import WEIGHTS
from service.doors import body, intake
from service.doors.rest.exchange import Answer, answer, parse_query, reference
from service.inference.catalog import LoadedModel
from service.inference.pipeline import GATE_PREFIX, Pipeline
from service.settings import Settings

CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
SURFACE_AXIS = np.linspace(-0.5, 1.5, 41)  # half a unit around the truth table, in steps of 0.05


class Gates:
    """The handlers of the gates' routes."""

    def __init__(self, pipeline: Pipeline, settings: Settings) -> None:
        self._pipeline = pipeline
        self._http = settings.http
        self._surfaces: dict[str, tuple[str, dict[str, Any]]] = {}  # by model, with its SHA-256: 1,681 rows

    async def every(self, request: Request) -> Answer:
        """Each gate with its truth table."""
        deadline = body.deadline_of(request.scope, self._http.timeout_ms)
        parse_query(request, {})
        models = [model for model in self._pipeline.catalog.defaults() if model.name.startswith(GATE_PREFIX)]
        gates = [await self._summary(model, deadline) for model in models]
        return answer({"gates": gates, "request_id": request.state.request_id})

    async def one(self, request: Request) -> Answer:
        """A gate's description, or its outputs."""
        return await (self.fire(request) if request.method == "POST" else self.describe(request))

    async def describe(self, request: Request) -> Answer:
        """One gate: truth table, weights, and the decision surface as probabilities over a square."""
        deadline = body.deadline_of(request.scope, self._http.timeout_ms)
        parse_query(request, {})
        model = self._pipeline.gate(request.path_params["gate"], None)
        summary = await self._summary(model, deadline)
        details = {
            "weights": load_tensors(model.bundle.files[WEIGHTS]),
            "decision_surface": await self._surface(model, deadline),
            "request_id": request.state.request_id,
        }
        return answer(summary | details)

    async def fire(self, request: Request) -> Answer:
        """Outputs for rows of inputs."""
        deadline = body.deadline_of(request.scope, self._http.timeout_ms)
        parse_query(request, {})
        text = await body.read_bytes(request.scope, request.receive, deadline)
        rows = intake.member(intake.parse_json(text), "inputs")
        return answer(await self.evaluate(request.path_params["gate"], rows, deadline, request.state.request_id))

    async def evaluate(self, gate: str, rows: Any, deadline: float, request_id: str) -> dict[str, Any]:
        """The whole answer for rows that are not checked yet. Raises what intake and the pipeline raise."""
        model = self._pipeline.gate(gate, request_id)
        width = model.bundle.manifest.input.shape[-1]
        inputs = intake.gate_rows(intake.count(rows, "inputs", self._http.max_images), width)
        answered, model = await self._pipeline.ask(inputs, model, deadline)
        outputs = _outputs(answered.outputs)
        return {"outputs": outputs, "model": reference(model), "request_id": request_id}

    async def _summary(self, model: LoadedModel, deadline: float) -> dict[str, Any]:
        outputs = _outputs(await self._pipeline.fire(CORNERS, model, deadline))
        table = [
            {"inputs": corner, **output} for corner, output in zip(CORNERS.astype(int).tolist(), outputs, strict=True)
        ]
        network = model.bundle.manifest.network
        return {
            "gate": model.name.removeprefix(GATE_PREFIX),
            "network": network.kind,
            "parameters": network.parameters,
            "truth_table": table,
            "model": reference(model),
        }

    async def _surface(self, model: LoadedModel, deadline: float) -> dict[str, Any]:
        """Probabilities over `axis` x `axis`: `probability[j][i]` belongs to inputs (axis[i], axis[j])."""
        sha256, known = self._surfaces.get(model.name, ("", {}))
        if sha256 == model.bundle.sha256:
            return known
        first, second = np.meshgrid(SURFACE_AXIS, SURFACE_AXIS)
        points = np.stack([first.ravel(), second.ravel()], axis=1).astype(np.float32)
        probabilities = await self._pipeline.fire(points, model, deadline)
        square = probabilities.reshape(first.shape).round(4)
        surface = {"axis": SURFACE_AXIS.round(2), "probability": square}
        self._surfaces[model.name] = model.bundle.sha256, surface
        return surface


def _outputs(probabilities: NDArray[np.float64]) -> list[dict[str, Any]]:
    """The neuron fires where its probability is above one half."""
    return [{"output": int(value > 0.5), "probability": value} for value in probabilities.tolist()]
