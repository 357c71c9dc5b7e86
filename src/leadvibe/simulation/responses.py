"""The response to a simulation."""

from starlette.responses import Response

from leadvibe.core.jobs.models import Job
from leadvibe.jobs.schemas import JobRead
from leadvibe.simulation.comparison import Comparison
from leadvibe.simulation.schemas import SimulationRead


def simulation_response(outcome: Comparison | Job) -> Response:
    """200 with the result, or 202 with the job."""
    if isinstance(outcome, Job):
        return Response(JobRead.model_validate(outcome).model_dump_json(), 202, media_type="application/json")
    return Response(SimulationRead.model_validate(outcome).model_dump_json(), media_type="application/json")
