"""What an admin can do about events that failed."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from leadvibe.access.dependencies import ADMIN, ANSWERS, provide
from leadvibe.core.http.paging import Paging, describe_page
from leadvibe.events.failed.repository import Failed, FailedEventRepository, Retry
from leadvibe.events.failed.schemas import FailedEventRead, Retried

router = APIRouter(prefix="/admin/failed-events", tags=["admin"], responses=ANSWERS, dependencies=[ADMIN])

FailedEvents = Annotated[FailedEventRepository, Depends(provide(FailedEventRepository))]


@router.get("", response_model=list[FailedEventRead])
async def list_failed_events(request: Request, response: Response, failed: FailedEvents, page: Paging) -> list[Failed]:
    """List the active OU's events that could not be processed, the newest first. Admins only."""
    found = await failed.list(page)
    describe_page(request, response, page, found.total)
    return found.items


@router.post("/{id}/retry", status_code=202, response_model=Retried)
async def retry_failed_event(id: str, failed: FailedEvents) -> Retry:  # noqa: A002 - the path's parameter is called so
    """Process a failed event once more. Should it fail again, it comes back to the list. Admins only."""
    return await failed.retry(id)
