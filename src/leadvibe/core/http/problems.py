"""Errors as RFC 9457 problem documents."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import structlog
from asyncpg import CharacterNotInRepertoireError, PostgresError, UniqueViolationError
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from sqlalchemy.exc import IntegrityError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from leadvibe.core.http.route_templates import route_template
from leadvibe.core.logs import summary
from leadvibe.core.transient import is_transient

MEDIA_TYPE = "application/problem+json"
TITLES = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Too large",
    415: "Unsupported media type",
    422: "Unprocessable content",
    429: "Too many requests",
    431: "Request headers too large",
    499: "Client closed the connection",
    500: "Internal error",
    503: "Not available",
}

log = structlog.get_logger()


class FieldError(BaseModel):
    field: str
    message: str


class ProblemRead(BaseModel):
    """An error as an RFC 9457 problem document; `error` has the same text as `detail`.

    `merged_into` is only present in the answer to a write for a lead that was merged: the lead to write to instead.
    """

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    error: str
    errors: list[FieldError] | None = None
    merged_into: str | None = None


class Problem(Exception):
    """An error that is reported to the client."""

    status: ClassVar[int] = 500
    detail: str = "An internal error occurred."

    def __init__(
        self,
        detail: str | None = None,
        *,
        fields: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.detail = detail or self.detail
        self.fields = fields or {}
        self.headers = headers or {}
        super().__init__(self.detail)

    def body(self) -> dict[str, Any]:
        return problem_body(self.status, self.detail, [{"field": f, "message": m} for f, m in self.fields.items()])


class Invalid(Problem):
    status = 400
    detail = "The request is not valid."

    @classmethod
    def field(cls, name: str, message: str) -> "Invalid":
        return cls(f"{name}: {message}", fields={name: message})


class NotAuthenticated(Problem):
    status = 401
    detail = "Authentication is required: send a valid access token or API credential."

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": 'Bearer, Basic realm="leadvibe"'})


class Forbidden(Problem):
    status = 403
    detail = "Your role does not allow this operation."


class NotFound(Problem):
    status = 404
    detail = "The resource does not exist in the active OU."


class Conflict(Problem):
    status = 409
    detail = "The request conflicts with an existing resource."


class TooLarge(Problem):
    status = 413
    detail = "The request is too large."


class UnsupportedMediaType(Problem):
    status = 415
    detail = "The content type is not supported."


class Unavailable(Problem):
    status = 503
    detail = "The server is temporarily unavailable. Try again in a moment."

    def __init__(self, detail: str | None = None, *, retry_after: int = 1) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)})


def problem_body(status: int, detail: str, errors: Sequence[Mapping[str, str]] = ()) -> dict[str, Any]:
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": TITLES.get(status, "Error"),
        "status": status,
        "detail": detail,
        "error": detail,
    }
    if errors:
        body["errors"] = list(errors)
    return body


def problems(*classes: type[Problem]) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI `responses` of a route that may raise these problems."""
    return {
        cls.status: {"description": cls.detail, "content": {MEDIA_TYPE: {}}, "model": ProblemRead} for cls in classes
    }


class ProblemResponse(JSONResponse):
    media_type = MEDIA_TYPE

    def render(self, content: Any) -> bytes:
        # Messages may quote the request, and JSON input may contain lone surrogates.
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def render(problem: Problem) -> ProblemResponse:
    return ProblemResponse(problem.body(), problem.status, headers=dict(problem.headers))


_CONSTRAINTS: dict[str, str] = {}


def constraint_means(name: str, detail: str) -> None:
    """Answer a violation of this unique or foreign-key constraint with 409 and this detail."""
    _CONSTRAINTS[name] = detail


def driver_error(error: BaseException) -> PostgresError | None:
    """The PostgreSQL error inside an SQLAlchemy error; None if there is none."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, PostgresError):
        cause = getattr(cause, "orig", None) or cause.__cause__
    return cause


def conflict_of(error: IntegrityError) -> Conflict | None:
    cause = driver_error(error)
    name = getattr(cause, "constraint_name", None)
    if name in _CONSTRAINTS:
        return Conflict(_CONSTRAINTS[name])
    return Conflict() if isinstance(cause, UniqueViolationError) else None


def field_path(location: Sequence[int | str]) -> str:
    """`("body", "aliases", 0, "kind")` → `aliases.0.kind`."""
    parts = [str(part) for part in location if part not in {"body", "query", "path", "header", "cookie"}]
    return ".".join(parts) or "body"


async def on_problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 - registered for this class only
    return render(error)


def _field_error(error: Mapping[str, Any]) -> dict[str, str]:
    if error["type"] == "json_invalid" and isinstance(
        error["loc"][-1], int
    ):  # a syntax error in the body; `loc` ends with the position
        return {"field": "body", "message": f"must be JSON: {error['ctx']['error']}"}
    return {"field": field_path(error["loc"]), "message": _message(error)}


def _message(error: Mapping[str, Any]) -> str:
    match error:
        case {"type": "too_long", "input": str(), "ctx": {"max_length": maximum}}:
            return f"must be at most {maximum} characters"
        case {"type": "too_short", "input": str(), "ctx": {"min_length": minimum}}:
            return f"must be at least {minimum} characters" if minimum > 1 else "must not be empty"
        case _:
            return str(error["msg"]).removeprefix("Value error, ")


async def on_validation(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class only
    if isinstance(error.body, bytes) and any(e["loc"] == ("body",) for e in error.errors()):
        return render(UnsupportedMediaType("Content-Type: must be application/json"))
    errors = [_field_error(e) for e in error.errors()]
    detail = "; ".join(f"{e['field']}: {e['message']}" for e in errors[:5])
    return ProblemResponse(problem_body(400, detail, errors), 400)


async def on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class only
    if isinstance(error.__cause__, Problem):  # FastAPI replaces errors that occur while it reads the body
        return render(error.__cause__)
    if error.status_code == 400 and isinstance(error.__cause__, ValueError | RecursionError):
        # FastAPI doesn't name a field if the body isn't UTF-8 or is nested too deeply.
        deep = isinstance(error.__cause__, RecursionError)
        return render(Invalid.field("body", "is nested too deeply" if deep else "must be JSON"))
    details: dict[int, str] = {
        404: "There is no operation at this path. See /openapi.json for all operations.",
        405: f"This path does not support the method {request.method}.",
    }
    detail = details.get(error.status_code, error.detail)
    headers = dict(error.headers or {})
    if "GET" in headers.get("Allow", "").split(", "):
        headers["Allow"] += ", HEAD"
    return ProblemResponse(problem_body(error.status_code, detail), error.status_code, headers=headers)


async def on_integrity(request: Request, error: Exception) -> Response:
    assert isinstance(error, IntegrityError)  # noqa: S101 - registered for this class only
    conflict = conflict_of(error)
    return render(conflict) if conflict is not None else await on_unexpected_error(request, error)


async def on_unexpected_error(request: Request, error: Exception) -> Response:
    if is_transient(error):
        log.warning("request failed for a transient reason", path=route_template(request.scope), reason=summary(error))
        return render(Unavailable())
    if isinstance(driver_error(error), CharacterNotInRepertoireError):
        return render(Invalid("The request contains a NUL character, which can't be stored."))
    log.error("request failed", path=route_template(request.scope), exc_info=error)
    return ProblemResponse(problem_body(500, Problem.detail), 500)


def install(app: FastAPI) -> None:
    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(IntegrityError, on_integrity)
    app.add_exception_handler(Exception, on_unexpected_error)
