"""Routes that try out configuration changes without storing anything."""

from typing import Annotated

from fastapi import APIRouter, Depends

from leadvibe.access.dependencies import ANSWERS, VIEWER, CurrentScope, provide
from leadvibe.core.http.problems import Conflict, problems
from leadvibe.simulation.comparison import Comparison
from leadvibe.simulation.rule_test import RuleTest, RuleTests
from leadvibe.simulation.schemas import RuleTestCreate, RuleTestRead, SimulationCreate, SimulationRead
from leadvibe.simulation.service import simulate

router = APIRouter(responses=ANSWERS, dependencies=[VIEWER])


@router.post("/rulesets/simulate", tags=["RuleSets"], response_model=SimulationRead)
async def simulate_ruleset(body: SimulationCreate, scope: CurrentScope) -> Comparison:
    """Compute what the scores would be now if a draft of the configuration had scored the events of the last `days`.

    Parts of the configuration that you leave out stay as they are. Earlier events keep their points; resets and
    adjustments are kept. Nothing is stored, and no notifications are sent.
    """
    return await simulate(scope, body)


@router.post("/engagement-scoring/test", tags=["Rules"], response_model=RuleTestRead, responses=problems(Conflict))
async def test_engagement_rule(
    body: RuleTestCreate,
    tests: Annotated[RuleTests, Depends(provide(RuleTests))],
) -> RuleTest:
    """Test a rule on a lead's events, without surge and floor.

    Suppressed events and events before the last reset don't count. `projected_score` is the current score plus the
    rule's weight for each matching event. Nothing is stored.
    """
    return await tests.test(body.lead_id, body.rule)
