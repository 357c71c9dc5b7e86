"""Is it there, is it well, how busy is it: open to everybody."""

from typing import Any

from fastapi import APIRouter, Request, Response

from leadvibe.core import metrics
from leadvibe.core.http.problems import Unavailable, problems
from leadvibe.health.repository import check_readiness, queue_state
from leadvibe.health.schemas import HomeRead, StatusRead

router = APIRouter(tags=["Root"])


@router.get("/")
async def get_root() -> StatusRead:
    """Say that this is a LeadVibe server and that it runs."""
    return StatusRead()


@router.get("/home")
async def get_home() -> HomeRead:
    """The home page."""
    return HomeRead()


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"description": "Metrics", "content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def get_metrics() -> Response:
    """Metrics in the Prometheus text format, summed over the server's processes."""
    return Response(metrics.exposition(await queue_state()), media_type=metrics.CONTENT_TYPE)


@router.get("/healthz")
async def get_health() -> StatusRead:
    """Whether the process is alive; it asks nobody else."""
    return StatusRead()


@router.get("/readyz", responses=problems(Unavailable))
async def get_readiness() -> StatusRead:
    """Whether the server can do its work: the database answers and its schema is up to date."""
    await check_readiness()
    return StatusRead()


@router.get("/openapi.json")
async def get_openapi(request: Request) -> dict[str, Any]:
    """This description of the API."""
    return request.app.openapi()
