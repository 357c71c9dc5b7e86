"""The job that imports an uploaded file, and the schedule that deletes expired files."""

from functools import partial
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import select, text

from leadvibe.core.database.transactions import transaction
from leadvibe.core.http.problems import NotFound
from leadvibe.core.jobs.progress import ENDED, Progress, tracked_job
from leadvibe.core.jobs.queue import schedule
from leadvibe.core.scope import Role
from leadvibe.identity.locks import Redirects, until_stable
from leadvibe.leads.importing.mapping import ImportLeads, RowReader
from leadvibe.leads.importing.models import LeadImportFile, LeadImportPiece
from leadvibe.leads.importing.reading import decode_piece
from leadvibe.leads.importing.rows import ImportResult, RowImport, RowsRefused
from leadvibe.units.models import OrgUnit

JOB_KIND = "lead_import"
FILE_MISSING = "The file no longer exists. Upload it again with POST /leads/import/preview."

DELETE_EXPIRED = text("""
DELETE FROM lead_import_files AS file
WHERE expires_at < statement_timestamp() AND NOT EXISTS (
    SELECT FROM jobs
    WHERE jobs.unit_id = file.unit_id AND jobs.kind = 'lead_import' AND jobs.status IN ('queued', 'running')
      AND jobs.parameters ->> 'file_id' = file.file_id
)
""")


@tracked_job(ImportLeads, kind=JOB_KIND, cancelling=Role.OPERATOR)
async def import_leads(message: ImportLeads, progress: Progress) -> dict[str, Any]:
    """Import one piece per transaction. After an interruption, the next run continues with the first missing piece."""
    state = await _import_next_piece(message, progress)
    while not state.complete:
        state = await _import_next_piece(message, progress)
    return msgspec.to_builtins(state.result)


class _ImportState(NamedTuple):
    result: ImportResult
    complete: bool


async def _import_next_piece(message: ImportLeads, progress: Progress) -> _ImportState:
    refused: dict[int, str] = {}
    while True:
        try:
            return await until_stable(partial(_attempt_piece, message, progress, refused))
        except RowsRefused as refusal:
            refused |= refusal.errors


async def _attempt_piece(
    message: ImportLeads, progress: Progress, refused: dict[int, str], redirects: Redirects
) -> _ImportState:
    scope = progress.scope
    async with transaction(scope) as session:
        job = await progress.lock(session)
        number, result = int(job.cursor or 0), msgspec.convert(job.result, ImportResult)
        # Another run may have ended the job and cleared its cursor: starting again would count the rows twice.
        # After the last piece the file may be gone, which is fine.
        if job.status in ENDED or result.processed == job.total:
            return _ImportState(result, complete=True)
        rows = await session.execute(
            select(LeadImportFile.headers, LeadImportFile.uploaded_at, LeadImportPiece.body, OrgUnit.phone_region)
            .join(
                LeadImportPiece,
                (LeadImportPiece.unit_id == LeadImportFile.unit_id)
                & (LeadImportPiece.file_id == LeadImportFile.file_id)
                & (LeadImportPiece.number == number),
            )
            .join(OrgUnit, OrgUnit.unit_id == LeadImportFile.unit_id)
            .where(LeadImportFile.unit_id == scope.unit_id, LeadImportFile.file_id == message.file_id)
        )
        piece = rows.one_or_none()
        if piece is None:
            raise NotFound(FILE_MISSING)
        reader = RowReader(message, piece.headers, piece.phone_region)
        row_import = RowImport(session, scope, reader, piece.uploaded_at)
        await row_import.run(decode_piece(piece.body), redirects, refused, result)
        job.done, job.cursor, job.result = result.processed, str(number + 1), msgspec.to_builtins(result)
    return _ImportState(result, complete=False)


@schedule("*/5 * * * *")
async def prune_lead_import_files() -> None:
    """Delete expired files that no unfinished job imports."""
    async with transaction(None) as session:
        await session.execute(DELETE_EXPIRED)
