"""The REST door, for curl, applications and browsers: its routes, and nothing else."""

from typing import NoReturn

from starlette.responses import RedirectResponse
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

import service.doors.rest.document as document
from service.doors.page import Page
from service.doors.rest.digits import Digits
from service.doors.rest.exchange import Endpoint
from service.doors.rest.gates import Gates
from service.doors.rest.numbers import Numbers
from service.doors.rest.operations import Operations
from service.doors.rest.published import Published
from service.errors import UnknownRoute
from service.inference.pipeline import Pipeline


class Routes(Router):
    """Starlette's router, but a path without parameters is looked up: the busiest ones are not matched one by one."""

    def __init__(self, routes: list[Route]) -> None:
        super().__init__(routes, redirect_slashes=False, default=_no_route)
        self._by_path = {route.path: route for route in routes if not route.param_convertors}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self  # Starlette then raises what is wrong with a request, where it would answer in plain text
        route = self._by_path.get(scope["path"])
        if route is None:
            await super().__call__(scope, receive, send)
            return
        scope["route"] = route
        await route.handle(scope, receive, send)


def router(pipeline: Pipeline, digits: Digits, numbers: Numbers, gates: Gates) -> Routes:
    """All routes of the door."""
    published = Published(pipeline.catalog)
    operations = Operations(pipeline)
    page = Page()
    routes = [
        Route("/v1/digits", Endpoint(digits.read), methods=["POST"]),
        Route("/v1/numbers", Endpoint(numbers.read), methods=["POST"]),
        Route("/v1/gates", Endpoint(gates.every), methods=["GET"]),
        Route("/v1/gates/{gate}", Endpoint(gates.one), methods=["GET", "POST"]),
        Route("/v1/models", Endpoint(published.every), methods=["GET"]),
        Route("/v1/models/{name}", Endpoint(published.describe), methods=["GET"]),
        Route("/v1/models/{name}/card", Endpoint(published.card), methods=["GET"]),
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
    return Routes(routes)


async def _no_route(scope: Scope, receive: Receive, send: Send) -> NoReturn:
    raise UnknownRoute("there is nothing at this path; /docs lists every route")
