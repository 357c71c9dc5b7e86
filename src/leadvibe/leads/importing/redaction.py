"""Removes a deleted lead from uploaded files and from the results of imports."""

# Decoded JSON: values whose keys and items nothing types.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import delete, func, select, update

from leadvibe.core.database.transactions import transaction
from leadvibe.core.jobs.models import Job
from leadvibe.core.jobs.progress import ENDED
from leadvibe.core.scope import Scope
from leadvibe.ingest.csv_records import Record
from leadvibe.leads.importing.locks import wait_for_uploads
from leadvibe.leads.importing.models import LeadImportFile, LeadImportPiece
from leadvibe.leads.importing.reading import decode_piece, encode_piece
from leadvibe.leads.importing.rows import DELETED
from leadvibe.leads.importing.tasks import FILE_MISSING, JOB_KIND

PIECES_PER_PAGE: Final = 100

Identifies = Callable[[str], bool]
"""Whether a cell identifies the deleted lead, read as an id or as an alias of any kind.

The kind of a column is only chosen when an import starts, and the next import of the file may choose another one.
"""


class Piece(NamedTuple):
    number: int
    body: bytes


async def redact_files(scope: Scope, until: datetime, identifies: Identifies) -> None:
    """Replace rows that identify the lead by failed rows, in all files uploaded up to this instant.

    If the header identifies the lead (in a file without a header row), the whole file is deleted.
    """
    async with transaction(scope) as session:
        await wait_for_uploads(session, scope.unit_id)
    async with transaction(scope) as session:
        uploaded = LeadImportFile.unit_id == scope.unit_id, LeadImportFile.uploaded_at <= until
        files = (await session.execute(select(LeadImportFile.file_id, LeadImportFile.headers).where(*uploaded))).all()
    for file_id, headers in files:
        if any(map(identifies, headers)):
            await _delete_file(scope, file_id)
            continue
        async for number in _pieces_to_redact(scope, file_id, identifies):
            await _redact_piece(scope, file_id, number, identifies)


async def redact_results(scope: Scope, identifies: Identifies) -> None:
    """Remove column names that identify the lead (in a file without a header row) from the errors of imports."""
    async with transaction(scope) as session:
        imports = select(Job).where(Job.unit_id == scope.unit_id, Job.kind == JOB_KIND)
        with_errors = imports.where(func.jsonb_array_length(Job.result["errors"]) > 0).order_by(Job.job_id)
        for job in await session.scalars(with_errors.with_for_update(key_share=True)):
            result = job.result or {}
            errors = [{**row, "error": _without_column(row["error"], identifies)} for row in result["errors"]]
            job.result = {**result, "errors": errors}
        await session.flush()


def _without_column(error: str, identifies: Identifies) -> str:
    """An error is a message, or the name of a column, a colon and a message."""
    column, _, message = error.rpartition(": ")
    return message if identifies(column) else error


async def _delete_file(scope: Scope, file_id: str) -> None:
    """Delete a file with its pieces, and fail its imports, whose parameters contain its column names."""
    async with transaction(scope) as session:
        await session.execute(
            delete(LeadImportFile).where(LeadImportFile.unit_id == scope.unit_id, LeadImportFile.file_id == file_id)
        )
        await session.execute(
            update(Job)
            .where(Job.unit_id == scope.unit_id, Job.kind == JOB_KIND, Job.status.not_in(ENDED))
            .where(Job.parameters["file_id"].astext == file_id)
            .values(status="failed", error=FILE_MISSING, parameters={}, cursor=None)
        )


async def _pieces_to_redact(scope: Scope, file_id: str, identifies: Identifies) -> AsyncGenerator[int]:
    """The numbers of the pieces that identify the lead.

    They are searched without a lock, because locking a row writes to it, and only few pieces identify the lead.
    """
    pieces = select(LeadImportPiece.number, LeadImportPiece.body).where(
        LeadImportPiece.unit_id == scope.unit_id, LeadImportPiece.file_id == file_id
    )
    after = -1
    while True:
        query = pieces.where(LeadImportPiece.number > after).order_by(LeadImportPiece.number).limit(PIECES_PER_PAGE)
        async with transaction(scope) as session:
            page = [Piece(number, body) for number, body in await session.execute(query)]
        # In a thread, because millions of cells take seconds.
        for number in await asyncio.to_thread(_numbers_to_redact, page, identifies):
            yield number
        if len(page) < PIECES_PER_PAGE:
            return
        after = page[-1].number


def _numbers_to_redact(pieces: Sequence[Piece], identifies: Identifies) -> list[int]:
    return [
        piece.number
        for piece in pieces
        if any(identifies(cell) for record in decode_piece(piece.body) for cell in record.cells)
    ]


async def _redact_piece(scope: Scope, file_id: str, number: int, identifies: Identifies) -> None:
    piece = (
        LeadImportPiece.unit_id == scope.unit_id,
        LeadImportPiece.file_id == file_id,
        LeadImportPiece.number == number,
    )
    async with transaction(scope) as session:
        # Without the lock, two deletions at once would each write back the rows that the other one redacted.
        body = await session.scalar(select(LeadImportPiece.body).where(*piece).with_for_update())
        before = decode_piece(body) if body is not None else []
        after = [_redact(record, identifies) for record in before]
        if after != before:
            await session.execute(update(LeadImportPiece).where(*piece).values(body=encode_piece(after)))


def _redact(record: Record, identifies: Identifies) -> Record:
    return Record(record.line, [], DELETED) if any(map(identifies, record.cells)) else record
