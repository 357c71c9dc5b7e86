"""The response of operations that start a job and wait a moment for it."""

from starlette.responses import JSONResponse, Response

from leadvibe.core.jobs.models import Job
from leadvibe.jobs.schemas import JobRead


def job_response(job: Job) -> Response:
    """200 with the job's result if it is completed, else 202 with the job."""
    if job.status == "completed":
        return JSONResponse(job.result)
    return Response(JobRead.model_validate(job).model_dump_json(), 202, media_type="application/json")
