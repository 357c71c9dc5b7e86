"""Leads are imported from a previewed file, and how far that is."""

from typing import Annotated

from fastapi import APIRouter, Depends

from leadvibe.access.dependencies import ANSWERS, OPERATOR, provide
from leadvibe.core.http.schemas import PlainText
from leadvibe.core.jobs.models import Job
from leadvibe.leads.importing.repository import LeadImports
from leadvibe.leads.importing.schemas import ImportJobRead, ImportStart

router = APIRouter(prefix="/leads/import", tags=["Leads"], responses=ANSWERS)

Imports = Annotated[LeadImports, Depends(provide(LeadImports))]


@router.post("/start", status_code=202, response_model=ImportJobRead, dependencies=[OPERATOR])
async def start_lead_import(body: ImportStart, imports: Imports) -> Job:
    """Import the leads of a file that was previewed within the hour: the answer is the job that does it.

    A row's lead is the one that its primary identifier names, else the one that its other aliases name, else a new
    one. Its fields are merged into the metadata, its aliases attached; an empty cell says nothing. A row that fails is
    named by its line, and the others are imported. Each column is one thing at most.
    """
    return await imports.start(body)


@router.get("/{job_id}", response_model=ImportJobRead)
async def get_lead_import(job_id: PlainText, imports: Imports) -> Job:
    """How far an import is, and what became of the rows so far."""
    return await imports.job(job_id)
