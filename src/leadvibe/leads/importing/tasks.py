"""Imports leads from a previewed file, and forgets files that nobody imports."""

from functools import partial
from typing import Any

import msgspec
from sqlalchemy import select, text

from leadvibe.core.database.transactions import transaction
from leadvibe.core.http.problems import NotFound
from leadvibe.core.jobs.progress import ENDED, Progress, watched_job
from leadvibe.core.jobs.queue import schedule
from leadvibe.identity.locks import Redirects, until_stable
from leadvibe.leads.importing.mapping import Columns, ImportLeads
from leadvibe.leads.importing.models import LeadImportFile, LeadImportPiece
from leadvibe.leads.importing.reading import decode_piece
from leadvibe.leads.importing.rows import Outcome, RowImport, RowsRefused

KIND = "lead_import"
GONE = "The file is no longer here: preview it again."

FORGET = text("""
DELETE FROM lead_import_files AS file
WHERE expires_at < clock_timestamp() AND NOT EXISTS (
    SELECT FROM jobs
    WHERE jobs.unit_id = file.unit_id AND jobs.kind = 'lead_import' AND jobs.status IN ('queued', 'running')
      AND jobs.parameters ->> 'file_id' = file.file_id
)
""")


@watched_job(ImportLeads, kind=KIND)
async def import_leads(message: ImportLeads, progress: Progress) -> dict[str, Any]:
    """A piece of the file a transaction; a run that was broken off goes on after its last commit."""
    outcome = await _next_piece(message, progress)
    while not outcome.complete:
        outcome = await _next_piece(message, progress)
    return msgspec.to_builtins(outcome.rows)


class Reached(msgspec.Struct):
    rows: Outcome
    complete: bool


async def _next_piece(message: ImportLeads, progress: Progress) -> Reached:
    refused: dict[int, str] = {}
    while True:
        try:
            return await until_stable(partial(_import_piece, message, progress, refused))
        except RowsRefused as refusal:
            refused |= refusal.errors


async def _import_piece(
    message: ImportLeads, progress: Progress, refused: dict[int, str], redirects: Redirects
) -> Reached:
    scope = progress.scope
    async with transaction(scope) as session:
        row = await progress.hold(session)
        number, outcome = int(row.cursor or 0), msgspec.convert(row.result, Outcome)
        if row.status in ENDED:  # by another run: its cursor is gone, and to begin again would count twice
            return Reached(outcome, complete=True)
        if outcome.processed == row.total:  # whether or not the file is still here
            return Reached(outcome, complete=True)
        found = await session.execute(
            select(LeadImportFile.headers, LeadImportFile.uploaded_at, LeadImportPiece.body)
            .join(
                LeadImportPiece,
                (LeadImportPiece.unit_id == LeadImportFile.unit_id)
                & (LeadImportPiece.file_id == LeadImportFile.file_id)
                & (LeadImportPiece.number == number),
            )
            .where(LeadImportFile.unit_id == scope.unit_id, LeadImportFile.file_id == message.file_id)
        )
        piece = found.one_or_none()
        if piece is None:
            raise NotFound(GONE)
        rows = RowImport(session, scope, Columns(message, piece.headers), piece.uploaded_at)
        await rows.run(decode_piece(piece.body), redirects, refused, outcome)
        row.done, row.cursor, row.result = outcome.processed, str(number + 1), msgspec.to_builtins(outcome)
    return Reached(outcome, complete=False)


@schedule("*/5 * * * *")
async def prune_lead_import_files() -> None:
    """Forget the files that have expired and that no job is about to import."""
    async with transaction(None) as session:
        await session.execute(FORGET)
