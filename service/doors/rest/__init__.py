"""The REST door, for curl, applications and browsers: its routes, and nothing else."""

from typing import NoReturn

from starlette.responses import RedirectResponse
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

import service.doors.rest.document as document
from service.doors.rest.digits import Digits
from service.doors.rest.gates import Gates
from service.doors.rest.operations import Operations
from service.doors.rest.published import Published
from service.errors import UnknownRoute
from service.inference.pipeline import Pipeline


def router(pipeline: Pipeline, digits: Digits, gates: Gates) -> Router:
    """All routes of the door; the busiest comes first."""
    published = Published(pipeline.catalog)
    operations = Operations(pipeline)
    routes = [
        Route("/v1/digits", digits.read, methods=["POST"]),
        Route("/v1/gates", gates.every, methods=["GET"]),
        Route("/v1/gates/{gate}", gates.one, methods=["GET", "POST"]),
        Route("/v1/models", published.every, methods=["GET"]),
        Route("/v1/models/{name}", published.describe, methods=["GET"]),
        Route("/v1/models/{name}/card", published.card, methods=["GET"]),
        Route("/metrics", operations.metrics, methods=["GET"]),
        Route("/livez", operations.live, methods=["GET"]),
        Route("/healthz", operations.live, methods=["GET"]),
        Route("/readyz", operations.ready, methods=["GET"]),
        Route("/openapi.json", document.openapi, methods=["GET"]),
        Route("/docs", document.page, methods=["GET"]),
        Route("/", RedirectResponse("/docs"), methods=["GET"]),
    ]
    return Router(routes, redirect_slashes=False, default=_no_route)


async def _no_route(scope: Scope, receive: Receive, send: Send) -> NoReturn:
    raise UnknownRoute("there is nothing at this path; /docs lists every route")
