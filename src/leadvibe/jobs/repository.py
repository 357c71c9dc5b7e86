"""An OU's background jobs."""

from leadvibe.core.job_models import Job
from leadvibe.core.repository import Repository


class JobRepository(Repository[Job]):
    model = Job
