"""The Open Inference door (`/v2`), for clients of KServe, Triton and MLServer: its routes, and nothing else."""

from starlette.routing import Route

from service.doors.open_inference.inference import Inference
from service.doors.open_inference.models import Described, Repository
from service.doors.pictures import Pictures
from service.doors.rest.exchange import Endpoint
from service.inference.management import Management
from service.inference.pipeline import Pipeline
from service.settings import Settings


def routes(pipeline: Pipeline, pictures: Pictures, management: Management, settings: Settings) -> list[Route]:
    """All routes of the door, the busiest first."""
    inference = Inference(pipeline, pictures, settings)
    described = Described(pipeline, settings)
    repository = Repository(pipeline.catalog, management, settings)
    infer, model = Endpoint(inference.infer), "/v2/models/{name}"
    version = model + "/versions/{version}"
    reads = {
        "/v2": described.server,
        "/v2/": described.server,
        "/v2/health/live": described.live,
        "/v2/health/ready": described.ready,
        "/v2/models/stats": described.statistics,
        model: described.metadata,
        version: described.metadata,
        f"{model}/ready": described.model_ready,
        f"{version}/ready": described.model_ready,
        f"{model}/config": described.configuration,
        f"{version}/config": described.configuration,
        f"{model}/stats": described.statistics,
        f"{version}/stats": described.statistics,
    }
    orders = {
        "/v2/repository/index": repository.index,
        "/v2/repository/models/{name}/load": repository.load,
        "/v2/repository/models/{name}/unload": repository.unload,
    }
    return [
        Route(f"{model}/infer", infer, methods=["POST"]),
        Route(f"{version}/infer", infer, methods=["POST"]),
        *(Route(path, Endpoint(handler), methods=["GET"]) for path, handler in reads.items()),
        *(Route(path, Endpoint(handler), methods=["POST"]) for path, handler in orders.items()),
    ]
