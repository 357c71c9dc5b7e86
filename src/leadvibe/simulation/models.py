"""An index of the table of jobs: an OU has one unfinished simulation at a time."""

from typing import Final

from sqlalchemy import Index, text

from leadvibe.core.jobs.models import Job

JOB_KIND: Final = "simulation"

ONE_AT_A_TIME: Final = Index(
    "uq_jobs_unfinished_simulation",
    Job.unit_id,
    unique=True,
    postgresql_where=text(f"kind = '{JOB_KIND}' AND status IN ('queued', 'running')"),
)
