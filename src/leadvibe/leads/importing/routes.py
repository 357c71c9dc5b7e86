"""Importing leads from a CSV file: upload and preview, start, progress."""

# Decoded JSON: values whose keys and items have no types.
# pyright: reportUnknownVariableType=false

from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends

from leadvibe.access.dependencies import ANSWERS, OPERATOR, provide
from leadvibe.core.http.raw_routes import RawRoute
from leadvibe.core.http.schemas import PlainText
from leadvibe.core.jobs.models import Job
from leadvibe.core.scope import Role
from leadvibe.ingest.routes import DELIMITER, PROBLEMS
from leadvibe.leads.importing.repository import LeadImports
from leadvibe.leads.importing.schemas import ImportJobRead, ImportStart, LeadImportPreview
from leadvibe.leads.importing.upload import preview_leads

router = APIRouter(prefix="/leads/import", tags=["Leads"], responses=ANSWERS)

Imports = Annotated[LeadImports, Depends(provide(LeadImports))]


@router.post("/start", status_code=202, response_model=ImportJobRead, dependencies=[OPERATOR])
async def start_lead_import(body: ImportStart, imports: Imports) -> Job:
    """Start a job that imports the leads of an uploaded file. The response is the job.

    A row updates the lead with its primary identifier, or else the lead with one of its other aliases; if there is
    none, it creates a lead. Fields are merged into the lead's metadata and aliases are attached; empty cells are
    ignored. A row that fails is reported with its line, and the other rows are imported. Map each column at most once.
    """
    return await imports.start(body)


@router.get("/{job_id}", response_model=ImportJobRead)
async def get_lead_import(job_id: PlainText, imports: Imports) -> Job:
    """Get the progress and the results of an import."""
    return await imports.job(job_id)


(PREVIEW,), COMPONENTS = msgspec.json.schema_components([LeadImportPreview], ref_template="#/components/schemas/{name}")
FORM: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"file": {"type": "string", "format": "binary"}},
    "required": ["file"],
}
PREVIEW_OPERATION: Final[dict[str, Any]] = {
    "tags": ["Leads"],
    "operationId": "preview_lead_import",
    "summary": "Preview an import of leads",
    "description": "Upload a CSV with a header row, and see what it contains. The file has at most 10 MB and 500,000 "
    "rows (the setting `LEADVIBE_LEAD_IMPORT_ROWS`). It is in UTF-8, or in UTF-16 with a byte order mark. It is stored "
    "for an hour. Nothing is imported until you call `POST /leads/import/start`.",
    "security": [{"bearerAuth": []}, {"basicAuth": []}],
    "parameters": [DELIMITER],
    "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": FORM}}},
    "responses": {
        "200": {
            "description": "The contents of the file",
            "content": {"application/json": {"schema": PREVIEW}},
        },
        **{status: {"description": meaning} for status, meaning in PROBLEMS.items()},
    },
}

RAW_ROUTES: Final = (
    RawRoute(
        *("POST", "/leads/import/preview", preview_leads, PREVIEW_OPERATION),
        components=COMPONENTS,
        role=Role.OPERATOR,
    ),
)
