"""An OU's background jobs."""

from leadvibe.core.database.repository import Repository
from leadvibe.core.jobs.models import Job


class JobRepository(Repository[Job]):
    model = Job
