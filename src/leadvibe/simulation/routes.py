"""What another configuration would do; nothing of it is stored."""

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
    """Say what the scores would be now, had a draft of the configuration judged the events of the last days.

    Rules, surge policy and decay rules that are absent are as they are now. What happened before the window stays as
    it was judged; resets and adjustments stay where they are. Nothing is stored, and nothing fires.
    """
    return await simulate(scope, body)


@router.post("/engagement-scoring/test", tags=["Rules"], response_model=RuleTestRead, responses=problems(Conflict))
async def test_engagement_rule(
    body: RuleTestCreate,
    tests: Annotated[RuleTests, Depends(provide(RuleTests))],
) -> RuleTest:
    """Try a rule on a lead's events, without surge and floor.

    Events that were suppressed, or that a reset took in, don't count. `projected_score` is the current score plus the
    weight for each event that matches.
    """
    return await tests.test(body.lead_id, body.rule)
