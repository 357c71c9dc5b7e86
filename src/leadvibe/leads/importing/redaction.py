"""Takes a deleted lead out of the files that wait to be imported, or may be once more."""

# Decoded JSON: values whose keys and items nothing types.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import datetime
from typing import Final

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
from leadvibe.leads.importing.tasks import GONE, KIND

PIECES_AT_ONCE: Final = 100

Names = Callable[[str], bool]
"""Whether a cell, read as an id or an alias of any kind, names the lead: what a column is, is said when an import
starts, and perhaps otherwise the next time."""


async def erase_from_files(scope: Scope, until: datetime, names: Names) -> None:
    """Rows of files that were uploaded until then and name the lead become rows that failed: none is lost unseen.

    Where the header does, as in a file without one, the file goes, and its imports fail.
    """
    async with transaction(scope) as session:
        await wait_for_uploads(session, scope.unit_id)
    async with transaction(scope) as session:
        uploaded = LeadImportFile.unit_id == scope.unit_id, LeadImportFile.uploaded_at <= until
        files = (await session.execute(select(LeadImportFile.file_id, LeadImportFile.headers).where(*uploaded))).all()
    for file_id, headers in files:
        if any(map(names, headers)):
            await _erase(scope, file_id)
            continue
        async for number in _pieces_with(scope, file_id, names):
            await _erase_from_piece(scope, file_id, number, names)


async def erase_from_imports(scope: Scope, names: Names) -> None:
    """What a row failed for begins with a column's name, and that is the lead's in a file without a header."""
    async with transaction(scope) as session:
        imports = select(Job).where(Job.unit_id == scope.unit_id, Job.kind == KIND)
        with_errors = imports.where(func.jsonb_array_length(Job.result["errors"]) > 0).order_by(Job.job_id)
        for job in await session.scalars(with_errors.with_for_update(key_share=True)):
            told = job.result or {}
            errors = [{**row, "error": _without_column(row["error"], names)} for row in told["errors"]]
            job.result = {**told, "errors": errors}
        await session.flush()


def _without_column(error: str, names: Names) -> str:
    column, _, mistake = error.rpartition(": ")
    return mistake if names(column) else error


async def _erase(scope: Scope, file_id: str) -> None:
    """With its pieces; its imports end here, since what is said of its columns names them."""
    async with transaction(scope) as session:
        await session.execute(
            delete(LeadImportFile).where(LeadImportFile.unit_id == scope.unit_id, LeadImportFile.file_id == file_id)
        )
        await session.execute(
            update(Job)
            .where(Job.unit_id == scope.unit_id, Job.kind == KIND, Job.status.not_in(ENDED))
            .where(Job.parameters["file_id"].astext == file_id)
            .values(status="failed", error=GONE, parameters={}, cursor=None)
        )


async def _pieces_with(scope: Scope, file_id: str, names: Names) -> AsyncGenerator[int]:
    """Looked for without a lock, which would cost each of them a write: those that name the lead are few."""
    pieces = select(LeadImportPiece.number, LeadImportPiece.body).where(
        LeadImportPiece.unit_id == scope.unit_id, LeadImportPiece.file_id == file_id
    )
    after = -1
    while True:
        page = pieces.where(LeadImportPiece.number > after).order_by(LeadImportPiece.number).limit(PIECES_AT_ONCE)
        async with transaction(scope) as session:
            found = [(number, body) for number, body in await session.execute(page)]
        for number in await asyncio.to_thread(_naming, found, names):  # millions of cells take seconds
            yield number
        if len(found) < PIECES_AT_ONCE:
            return
        after = found[-1][0]


def _naming(pieces: Sequence[tuple[int, bytes]], names: Names) -> list[int]:
    return [
        number for number, body in pieces if any(names(cell) for record in decode_piece(body) for cell in record.cells)
    ]


async def _erase_from_piece(scope: Scope, file_id: str, number: int, names: Names) -> None:
    piece = (
        LeadImportPiece.unit_id == scope.unit_id,
        LeadImportPiece.file_id == file_id,
        LeadImportPiece.number == number,
    )
    async with transaction(scope) as session:
        # Locked: two deletions at once would each write back what the other one erased.
        body = await session.scalar(select(LeadImportPiece.body).where(*piece).with_for_update())
        before = decode_piece(body) if body is not None else []
        after = [_left_of(record, names) for record in before]
        if after != before:
            await session.execute(update(LeadImportPiece).where(*piece).values(body=encode_piece(after)))


def _left_of(record: Record, names: Names) -> Record:
    return Record(record.line, [], DELETED) if any(map(names, record.cells)) else record
