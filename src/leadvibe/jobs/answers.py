"""How an operation answers that starts a job and waits a moment for it."""

from starlette.responses import JSONResponse, Response

from leadvibe.core.jobs.models import Job
from leadvibe.jobs.schemas import JobRead


def done_or_watched(job: Job) -> Response:
    """200 with what came of it where it is done, else 202 with the job."""
    if job.status == "completed":
        return JSONResponse(job.result)
    return Response(JobRead.model_validate(job).model_dump_json(), 202, media_type="application/json")
