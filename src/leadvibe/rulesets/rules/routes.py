"""Engagement rules."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response

from leadvibe.access.dependencies import ANSWERS, OPERATOR, VIEWER, provide
from leadvibe.core.http.preferences import WantsRepresentation, changed
from leadvibe.core.http.problems import Conflict, problems
from leadvibe.core.http.schemas import PlainText
from leadvibe.rulesets.models import Rule
from leadvibe.rulesets.rules.repository import RuleRepository
from leadvibe.rulesets.rules.schemas import RuleChange, RuleCreate, RuleRead

router = APIRouter(tags=["Rules"], responses=ANSWERS)

RuleId = Annotated[PlainText, Path(alias="id")]
Rules = Annotated[RuleRepository, Depends(provide(RuleRepository))]


@router.get("/rulesets/{id}/rules", dependencies=[VIEWER], response_model=list[RuleRead])
async def list_ruleset_rules(ruleset_id: Annotated[PlainText, Path(alias="id")], rules: Rules) -> list[Rule]:
    """List the rules of a ruleset, including inactive ones."""
    return await rules.of(ruleset_id)


@router.get("/rules", dependencies=[VIEWER], response_model=list[RuleRead])
async def list_rules(rules: Rules) -> list[Rule]:
    """List the rules of all rulesets of the active OU, including inactive ones."""
    return await rules.all()


@router.get("/rules/{id}", dependencies=[VIEWER], response_model=RuleRead)
async def get_rule(rule_id: RuleId, rules: Rules) -> Rule:
    """Get a rule."""
    return await rules.get(rule_id)


@router.post(
    "/rules",
    dependencies=[OPERATOR],
    status_code=201,
    response_model=RuleRead,
    responses=problems(Conflict),
)
async def create_rule(body: RuleCreate, rules: Rules) -> Rule:
    """Create a rule that awards points for events of a type, from now on.

    Without a `ruleset_id` the rule belongs to the primary ruleset.
    """
    return await rules.create(body.values())


@router.put(
    "/rules/{id}",
    dependencies=[OPERATOR],
    status_code=204,
    responses={200: {"model": RuleRead}, **problems(Conflict)},
)
async def update_rule(rule_id: RuleId, body: RuleChange, rules: Rules, wants: WantsRepresentation) -> Response:
    """Update a rule. Only the fields you send change, and points already awarded stay."""
    return changed(RuleRead.model_validate(await rules.change(rule_id, body.sent())), wants)


@router.delete("/rules/{id}", dependencies=[OPERATOR], status_code=204)
async def delete_rule(rule_id: RuleId, rules: Rules) -> None:
    """Delete a rule. Points already awarded stay. To stop a rule for a while, set `active` to `false` instead."""
    await rules.remove(rule_id)
