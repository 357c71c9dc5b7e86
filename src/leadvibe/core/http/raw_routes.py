"""Operations served below FastAPI, because its routing and validation would cost more than the operation itself."""

from collections.abc import Iterable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from leadvibe.core.http.problems import Problem, on_unexpected_error, render
from leadvibe.core.scope import Role


class RawRoute(Route):
    """One method at one path without parameters, served by an ASGI application.

    `operation` is its OpenAPI operation object, and `components` are the schemas by name that `operation` refers to.
    `role` is the role that it requires in the active OU.
    """

    def __init__(
        self,
        method: str,
        path: str,
        app: ASGIApp,
        operation: dict[str, Any],
        *,
        components: Mapping[str, dict[str, Any]] | None = None,
        role: Role | None = None,
    ) -> None:
        super().__init__(path, ProblemMiddleware(app), methods=[method], include_in_schema=False)
        self.methods = {method}
        self.method = method
        self.operation = operation
        self.components = components or {}
        self.role = role


class ProblemMiddleware:
    """Turns exceptions of the application into problem documents.

    A class, because Starlette would treat a function as an endpoint that takes a request.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        except Problem as problem:
            await render(problem)(scope, receive, send)
        except Exception as error:  # noqa: BLE001 - the client needs a response; the error is logged
            response = await on_unexpected_error(Request(scope), error)
            await response(scope, receive, send)


class RawRouter:
    """Serves the raw routes, and passes all other requests to the framework."""

    def __init__(self, routes: Iterable[RawRoute], framework: ASGIApp) -> None:
        self.routes = {(route.method, route.path): route for route in routes}
        self.framework = framework

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        route = self.routes.get((scope["method"], path))
        if route is None:
            await self.framework(scope, receive, send)
        else:
            scope["route"] = route
            await route.app(scope, receive, send)
