"""The REST door, for curl, applications and browsers: its routes, and nothing else."""

from starlette.responses import RedirectResponse
from starlette.routing import Route

from service.doors import document
from service.doors.page import Page
from service.doors.rest.digits import Digits
from service.doors.rest.exchange import Endpoint
from service.doors.rest.gates import Gates
from service.doors.rest.management import Managed
from service.doors.rest.numbers import Numbers
from service.doors.rest.operations import Operations
from service.doors.rest.published import Published
from service.inference.pipeline import Pipeline


def routes(pipeline: Pipeline, digits: Digits, numbers: Numbers, gates: Gates, managed: Managed) -> list[Route]:
    """All routes of the door."""
    published = Published(pipeline.catalog, pipeline.rollout)
    operations = Operations(pipeline)
    page = Page()
    return [
        Route("/v1/digits", Endpoint(digits.read), methods=["POST"]),
        Route("/v1/numbers", Endpoint(numbers.read), methods=["POST"]),
        Route("/v1/gates", Endpoint(gates.every), methods=["GET"]),
        Route("/v1/gates/{gate}", Endpoint(gates.one), methods=["GET", "POST"]),
        Route("/v1/models", Endpoint(published.every), methods=["GET"]),
        Route("/v1/models/{name}", Endpoint(published.describe), methods=["GET"]),
        Route("/v1/models/{name}/card", Endpoint(published.card), methods=["GET"]),
        Route("/v1/models/{name}/pin", Endpoint(managed.pin), methods=["PUT", "DELETE"]),
        Route("/v1/models/{name}/rollback", Endpoint(managed.roll_back), methods=["POST"]),
        Route("/metrics", Endpoint(operations.metrics), methods=["GET"]),
        Route("/livez", Endpoint(operations.live), methods=["GET"]),
        Route("/healthz", Endpoint(operations.live), methods=["GET"]),
        Route("/readyz", Endpoint(operations.ready), methods=["GET"]),
        Route("/openapi.json", Endpoint(document.openapi), methods=["GET"]),
        Route("/docs", Endpoint(document.page), methods=["GET"]),
        Route("/ui/", Endpoint(page.file), methods=["GET"]),
        Route("/ui/{file}", Endpoint(page.file), methods=["GET"]),
        Route("/ui", RedirectResponse("/ui/"), methods=["GET"]),
        Route("/", RedirectResponse("/ui/"), methods=["GET"]),
    ]
