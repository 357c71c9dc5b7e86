"""Health checks, metrics and the API description; none needs authentication."""

from typing import Any

from fastapi import APIRouter, Request, Response

from leadvibe.core import metrics
from leadvibe.core.http.problems import Unavailable, problems
from leadvibe.health.readiness import check_readiness
from leadvibe.health.repository import queue_state
from leadvibe.health.schemas import HomeRead, StatusRead

router = APIRouter(tags=["Root"])


@router.get("/")
async def get_root() -> StatusRead:
    """Check that the server responds."""
    return StatusRead()


@router.get("/home")
async def get_home() -> HomeRead:
    """The home page, as data."""
    return HomeRead()


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"description": "Metrics", "content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def get_metrics() -> Response:
    """Get metrics in the Prometheus text format, summed over all processes of the server."""
    return Response(metrics.exposition(await queue_state()), media_type=metrics.CONTENT_TYPE)


@router.get("/healthz")
async def get_health() -> StatusRead:
    """Liveness check: succeeds while the API process runs, without using the database."""
    return StatusRead()


@router.get("/readyz", responses=problems(Unavailable))
async def get_readiness() -> StatusRead:
    """Readiness check: succeeds if the server can accept and score events, and else says why not.

    It fails if the database doesn't answer or its schema is out of date, if a disk is full, or if the workers of this
    server don't process the events that wait.
    """
    await check_readiness()
    return StatusRead()


@router.get("/openapi.json")
async def get_openapi(request: Request) -> dict[str, Any]:
    """Get this API description as JSON."""
    return request.app.openapi()
