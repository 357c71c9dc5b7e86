"""Failed events: admins can list and retry them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from leadvibe.access.dependencies import ADMIN, ANSWERS, provide
from leadvibe.core.http.paging import Paging, describe_page
from leadvibe.events.failed.repository import FailedEventRepository, FailedEventRow, Retry
from leadvibe.events.failed.schemas import FailedEventRead, Retried

router = APIRouter(prefix="/admin/failed-events", tags=["admin"], responses=ANSWERS, dependencies=[ADMIN])

FailedEvents = Annotated[FailedEventRepository, Depends(provide(FailedEventRepository))]


@router.get("", response_model=list[FailedEventRead])
async def list_failed_events(
    request: Request, response: Response, failed: FailedEvents, page: Paging
) -> list[FailedEventRow]:
    """List the events of the active OU that could not be processed, newest first. For Admins."""
    failed_events = await failed.list(page)
    describe_page(request, response, page, failed_events.total)
    return failed_events.items


@router.post("/{id}/retry", status_code=202, response_model=Retried)
async def retry_failed_event(id: str, failed: FailedEvents) -> Retry:  # noqa: A002 - the name of the path parameter
    """Process a failed event again. If it fails again, it returns to the list. For Admins."""
    return await failed.retry(id)
