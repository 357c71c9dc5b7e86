"""Files of leads: kept for an hour, and imported by a job."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import msgspec
from sqlalchemy import select

from leadvibe.core.database.clock import database_now
from leadvibe.core.database.repository import Repository
from leadvibe.core.http.problems import NotFound
from leadvibe.core.ids import new_id
from leadvibe.core.jobs.models import Job
from leadvibe.core.jobs.progress import start_job
from leadvibe.leads.importing.locks import upload
from leadvibe.leads.importing.mapping import ImportLeads, check
from leadvibe.leads.importing.models import LeadImportFile, LeadImportPiece
from leadvibe.leads.importing.reading import LeadsFile
from leadvibe.leads.importing.rows import Outcome
from leadvibe.leads.importing.schemas import ImportStart
from leadvibe.leads.importing.tasks import KIND

KEPT: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Preview:
    """What a client is told of a file before it imports it."""

    file_id: str
    file_name: str
    headers: Sequence[str]
    sample_rows: Sequence[Sequence[str]]
    row_count: int
    auto_detected_identifiers: dict[str, list[str]]
    expires_at: datetime


class LeadImports(Repository[LeadImportFile]):
    model = LeadImportFile

    async def keep(self, name: str, file: LeadsFile) -> Preview:
        await upload(self.session, self.scope.unit_id)  # before the instant that says when it was
        told = {"headers": file.headers, "row_count": file.row_count}
        kept = await self.create(
            {"file_id": new_id("preview"), **told, "expires_at": await database_now(self.session) + KEPT}
        )
        for number, body in enumerate(file.pieces):
            piece = LeadImportPiece(unit_id=self.scope.unit_id, file_id=kept.file_id, number=number, body=body)
            self.session.add(piece)
        await self.session.flush()
        columns = {f"{kind}_columns": found for kind, found in file.identifiers.items()}
        return Preview(kept.file_id, name, file.headers, file.sample_rows, file.row_count, columns, kept.expires_at)

    async def start(self, wanted: ImportStart) -> Job:
        """The job; the file is kept for another hour, so that it doesn't go before the job has begun."""
        now = await database_now(self.session)
        query = self._select().where(LeadImportFile.file_id == wanted.file_id, LeadImportFile.expires_at > now)
        file = await self.session.scalar(query.with_for_update(key_share=True))
        if file is None:
            raise NotFound("There is no such file here, or it has expired: preview it again.")
        primary = wanted.primary_identifier
        message = ImportLeads(file.file_id, primary.column, primary.kind, wanted.field_mappings, wanted.alias_mappings)
        check(message, file.headers)
        await self.update(file, {"expires_at": now + KEPT})
        job = await start_job(self.session, self.scope, message)
        job.total, job.result = file.row_count, msgspec.to_builtins(Outcome())
        await self.session.flush()
        return job

    async def job(self, job_id: str) -> Job:
        query = select(Job).where(Job.unit_id == self.scope.unit_id, Job.job_id == job_id, Job.kind == KIND)
        found = await self.session.scalar(query)
        if found is None:
            raise NotFound("There is no such import here.")
        return found
