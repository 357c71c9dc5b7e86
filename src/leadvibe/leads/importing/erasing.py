"""Takes a deleted lead out of the files that wait to be imported, or may be once more."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import delete, select, update

from leadvibe.core.db import transaction
from leadvibe.core.scope import Scope
from leadvibe.events.csv_records import Record
from leadvibe.leads.importing.models import LeadImportFile, LeadImportPiece
from leadvibe.leads.importing.reading import decode_piece, encode_piece
from leadvibe.leads.importing.rows import DELETED

Names = Callable[[str], bool]
"""Whether a cell, read as an id or an alias of any kind, names the lead: what a column is, is said when an import
starts, and perhaps otherwise the next time."""


async def erase_from_files(scope: Scope, until: datetime, names: Names) -> None:
    """Rows of files that were uploaded until then and name the lead become rows that failed: none is lost unseen.

    Where the header does, as in a file without one, the file goes: imports of it say so.
    """
    uploaded = LeadImportFile.unit_id == scope.unit_id, LeadImportFile.uploaded_at <= until
    async with transaction(scope) as session:
        files = (await session.execute(select(LeadImportFile.file_id, LeadImportFile.headers).where(*uploaded))).all()
    for file_id, headers in files:
        if any(map(names, headers)):
            await _erase(scope, file_id)
    async with transaction(scope) as session:
        query = (
            select(LeadImportPiece.file_id, LeadImportPiece.number)
            .join(
                LeadImportFile,
                (LeadImportFile.unit_id == LeadImportPiece.unit_id)
                & (LeadImportFile.file_id == LeadImportPiece.file_id),
            )
            .where(*uploaded)
        )
        pieces = (await session.execute(query)).all()
    for file_id, number in pieces:
        await _erase_from_piece(scope, file_id, number, names)


async def _erase(scope: Scope, file_id: str) -> None:
    """With its pieces."""
    async with transaction(scope) as session:
        await session.execute(
            delete(LeadImportFile).where(LeadImportFile.unit_id == scope.unit_id, LeadImportFile.file_id == file_id)
        )


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
