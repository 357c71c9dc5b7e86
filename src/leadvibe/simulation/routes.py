"""Routes that try out configuration changes without storing anything."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from leadvibe.access.dependencies import ANSWERS, VIEWER, CurrentScope
from leadvibe.access.expensive import BUSY, EXPENSIVE
from leadvibe.core.http.problems import Conflict, problems
from leadvibe.jobs.schemas import JobRead
from leadvibe.simulation.dispatch import Simulations
from leadvibe.simulation.responses import simulation_response
from leadvibe.simulation.rule_test import RuleTest, RuleTests
from leadvibe.simulation.schemas import RuleTestCreate, RuleTestRead, SimulationCreate, SimulationRead

router = APIRouter(responses=ANSWERS | BUSY, dependencies=[VIEWER, EXPENSIVE])


def _simulations(scope: CurrentScope) -> Simulations:
    return Simulations(scope)


def _rule_tests(scope: CurrentScope) -> RuleTests:
    return RuleTests(scope)


@router.post(
    "/rulesets/simulate",
    tags=["RuleSets"],
    response_model=SimulationRead,
    responses={
        202: {"model": JobRead, "description": "The simulation is large and runs as this job."},
        **problems(Conflict),
    },
)
async def simulate_ruleset(
    body: SimulationCreate, simulations: Annotated[Simulations, Depends(_simulations)]
) -> Response:
    """Compute what the scores would be now if a draft of the configuration had scored the events of the last `days`.

    Parts of the configuration that you leave out stay as they are. Earlier events keep their points; resets and
    adjustments are kept. Nothing is stored, and no notifications are sent.

    With more than 50,000 leads, or events of the leads that it affects (the setting `LEADVIBE_SIMULATION_EVENTS`), the
    simulation is a job: the response is 202, and the job's `result` is the body of the 200. An OU has one such job at a
    time; while it runs, another one is a 409. `DELETE /jobs/{job_id}` cancels it.
    """
    return simulation_response(await simulations.run(body))


@router.post("/engagement-scoring/test", tags=["Rules"], response_model=RuleTestRead, responses=problems(Conflict))
async def test_engagement_rule(body: RuleTestCreate, tests: Annotated[RuleTests, Depends(_rule_tests)]) -> RuleTest:
    """Test a rule on a lead's events, without surge and floor.

    Suppressed events and events before the last reset don't count. `projected_score` is the current score plus the
    rule's weight for each matching event. Nothing is stored.
    """
    return await tests.test(body.lead_id, body.rule)
