"""Operations served below FastAPI, where its routing and validation would cost more than the work itself."""

from collections.abc import Iterable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from leadvibe.core.http.problems import Problem, on_crash, render


class RawRoute(Route):
    """One method at one path without parameters, answered by an ASGI application.

    `operation` is its operation object in the OpenAPI. `components` has the schemas that the operation refers to.
    """

    def __init__(
        self,
        method: str,
        path: str,
        app: ASGIApp,
        operation: dict[str, Any],
        *,
        components: Mapping[str, dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(path, answering_problems(app), methods=[method], include_in_schema=False)
        self.methods = {method}
        self.method = method
        self.operation = operation
        self.components = components or {}


class answering_problems:  # noqa: N801 - a wrapper; a class, for Starlette takes a function for an endpoint of its own
    """Turns what the application raises into a problem document."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        except Problem as problem:
            await render(problem)(scope, receive, send)
        except Exception as error:  # noqa: BLE001 - the client is owed an answer, the log gets the reason
            response = await on_crash(Request(scope), error)
            await response(scope, receive, send)


class FastLane:
    """Takes the raw routes' requests out before the framework sees them."""

    def __init__(self, routes: Iterable[RawRoute], otherwise: ASGIApp) -> None:
        self.routes = {(route.method, route.path): route for route in routes}
        self.otherwise = otherwise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        route = self.routes.get((scope["method"], path))
        if route is None:
            await self.otherwise(scope, receive, send)
        else:
            scope["route"] = route
            await route.app(scope, receive, send)
