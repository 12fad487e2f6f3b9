"""Finds the route of a request, for all doors but BentoML's."""

from typing import NoReturn

from starlette.routing import Match, Route, Router
from starlette.types import Receive, Scope, Send

from service.errors import UnknownRoute


class Routes(Router):
    """Starlette's router, but routes are looked up: by path, or by first segment and depth if they have parameters."""

    def __init__(self, routes: list[Route]) -> None:
        super().__init__(routes, redirect_slashes=False, default=_no_route)
        self._by_path = {route.path: route for route in routes if not route.param_convertors}
        self._by_form: dict[tuple[str, int], list[Route]] = {}
        for route in routes:
            if route.param_convertors:
                self._by_form.setdefault(_form(route.path), []).append(route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self  # Starlette then raises what is wrong with a request, where it would answer in plain text
        path = scope["path"]
        route = self._by_path.get(path)
        if route is not None:
            scope["route"] = route
            await route.handle(scope, receive, send)
            return
        for route in self._by_form.get(_form(path), ()):
            match, found = route.matches(scope)
            if match is Match.FULL:
                scope.update(found, route=route)
                await route.handle(scope, receive, send)
                return
        await super().__call__(scope, receive, send)


def _form(path: str) -> tuple[str, int]:
    """The first segment of a path, and how many slashes it has."""
    return path.split("/", 2)[1] if path.startswith("/") else "", path.count("/")


async def _no_route(scope: Scope, receive: Receive, send: Send) -> NoReturn:
    raise UnknownRoute("there is nothing at this path; /docs lists every route")
