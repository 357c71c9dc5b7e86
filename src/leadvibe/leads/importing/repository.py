"""Stores uploaded files of leads for an hour, and starts and finds the jobs that import them."""

from datetime import timedelta
from typing import Final

import msgspec
from sqlalchemy import select

from leadvibe.core.database.clock import database_now
from leadvibe.core.database.repository import Repository
from leadvibe.core.http.problems import NotFound
from leadvibe.core.ids import new_id
from leadvibe.core.jobs.models import Job
from leadvibe.core.jobs.progress import start_job
from leadvibe.leads.importing.locks import lock_upload
from leadvibe.leads.importing.mapping import ImportLeads, check_mapping
from leadvibe.leads.importing.models import LeadImportFile, LeadImportPiece
from leadvibe.leads.importing.reading import LeadsFile
from leadvibe.leads.importing.rows import ImportResult
from leadvibe.leads.importing.schemas import DetectedIdentifiers, ImportStart, LeadImportPreview
from leadvibe.leads.importing.tasks import JOB_KIND
from leadvibe.limits import check_limit

RETENTION: Final = timedelta(hours=1)


class LeadImports(Repository[LeadImportFile]):
    model = LeadImportFile

    async def store(self, name: str, file: LeadsFile) -> LeadImportPreview:
        # Before `uploaded_at` is set: a deletion that waits for this lock then also redacts this file.
        await lock_upload(self.session, self.scope.unit_id)
        await check_limit(
            self.session, self._select(), "max_lead_import_files", noun="uploaded files waiting in this OU"
        )
        stored = await self.create(
            {
                "file_id": new_id("preview"),
                "headers": file.headers,
                "row_count": file.row_count,
                "expires_at": await database_now(self.session) + RETENTION,
            }
        )
        for number, body in enumerate(file.pieces):
            piece = LeadImportPiece(unit_id=self.scope.unit_id, file_id=stored.file_id, number=number, body=body)
            self.session.add(piece)
        await self.session.flush()
        return LeadImportPreview(
            file_id=stored.file_id,
            file_name=name,
            headers=file.headers,
            sample_rows=file.sample_rows,
            row_count=file.row_count,
            auto_detected_identifiers=DetectedIdentifiers(
                **{f"{kind}_columns": columns for kind, columns in file.identifiers.items()}
            ),
            expires_at=stored.expires_at,
            delimiter=file.delimiter,
            warnings=file.warnings,
        )

    async def start(self, body: ImportStart) -> Job:
        """Start the job that imports a file. The file stays for another hour, so that the job can begin."""
        now = await database_now(self.session)
        query = self._select().where(LeadImportFile.file_id == body.file_id, LeadImportFile.expires_at > now)
        file = await self.session.scalar(query.with_for_update(key_share=True))
        if file is None:
            raise NotFound(
                "There is no file with this id, or it has expired. Upload it again with POST /leads/import/preview."
            )
        primary = body.primary_identifier
        message = ImportLeads(file.file_id, primary.column, primary.kind, body.field_mappings, body.alias_mappings)
        check_mapping(message, file.headers)
        await self.update(file, {"expires_at": now + RETENTION})
        job = await start_job(self.session, self.scope, message)
        job.total, job.result = file.row_count, msgspec.to_builtins(ImportResult())
        await self.session.flush()
        return job

    async def job(self, job_id: str) -> Job:
        query = select(Job).where(Job.unit_id == self.scope.unit_id, Job.job_id == job_id, Job.kind == JOB_KIND)
        job = await self.session.scalar(query)
        if job is None:
            raise NotFound("There is no lead import with this id in the active OU.")
        return job
