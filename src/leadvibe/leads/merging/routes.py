"""Several leads that are one person become one lead."""

from typing import Annotated

from fastapi import APIRouter, Depends

from leadvibe.access.dependencies import ANSWERS, OPERATOR, provide
from leadvibe.core.http.problems import Conflict, problems
from leadvibe.leads.merging.preview import MergePreview, MergePreviews
from leadvibe.leads.merging.schemas import MergeCreate, MergePreviewRead, MergeRead
from leadvibe.leads.merging.service import MergeDone, Merges

router = APIRouter(prefix="/leads/merge", tags=["Leads"], responses=ANSWERS | problems(Conflict))


@router.post("", response_model=MergeRead, dependencies=[OPERATOR])
async def merge_leads(body: MergeCreate, merges: Annotated[Merges, Depends(provide(Merges))]) -> MergeDone:
    """Let source leads go into a target, for good.

    Their events, aliases and adjustments become the target's, and its score is what it would be had all of it been its
    own; what a lead's own reset took in stays out. Events that name a source from now on are the target's. Metadata,
    account and owner of the target win, and the sources fill the gaps. No trigger fires.
    """
    return await merges.merge(body)


@router.post("/preview", response_model=MergePreviewRead)
async def preview_merge(
    body: MergeCreate,
    previews: Annotated[MergePreviews, Depends(provide(MergePreviews))],
) -> MergePreview:
    """Say what a merge would move, and change nothing."""
    return await previews.preview(body)
