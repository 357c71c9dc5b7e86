"""Merging several leads into one."""

from typing import Annotated

from fastapi import APIRouter, Depends

from leadvibe.access.dependencies import ANSWERS, OPERATOR, provide
from leadvibe.access.expensive import BUSY, EXPENSIVE
from leadvibe.core.http.problems import Conflict, problems
from leadvibe.leads.merging.preview import MergePreview, MergePreviews
from leadvibe.leads.merging.schemas import MergeCreate, MergePreviewRead, MergeRead
from leadvibe.leads.merging.service import MergeResult, MergeService

router = APIRouter(prefix="/leads/merge", tags=["Leads"], responses=ANSWERS | BUSY | problems(Conflict))

Service = Annotated[MergeService, Depends(provide(MergeService))]
Previews = Annotated[MergePreviews, Depends(provide(MergePreviews))]


@router.post("", response_model=MergeRead, dependencies=[OPERATOR, EXPENSIVE])
async def merge_leads(body: MergeCreate, service: Service) -> MergeResult:
    """Merge source leads into a target lead. A merge can't be undone.

    The events, aliases, adjustments and orders of the sources become the target's, and the target is rescored as if
    they had always been its own. Events and adjustments from before a lead's own reset stay reset. Later events for a
    source go to the target. Metadata, account and owner come from the target; the sources fill in missing values, and
    metadata that is null or `""`. No trigger fires.
    """
    return await service.merge(body)


@router.post("/preview", response_model=MergePreviewRead, dependencies=[EXPENSIVE])
async def preview_merge(body: MergeCreate, previews: Previews) -> MergePreview:
    """Show what a merge would transfer, without changing anything."""
    return await previews.preview(body)
