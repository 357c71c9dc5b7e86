"""Engagement rulesets."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response

from leadvibe.access.dependencies import ANSWERS, OPERATOR, VIEWER, provide
from leadvibe.core.http.preferences import WantsRepresentation, changed
from leadvibe.core.http.problems import Conflict, problems
from leadvibe.core.http.schemas import PlainText
from leadvibe.rulesets.models import Ruleset
from leadvibe.rulesets.repository import RulesetRepository
from leadvibe.rulesets.schemas import RulesetChange, RulesetCreate, RulesetRead

router = APIRouter(tags=["RuleSets"], responses=ANSWERS)

RulesetId = Annotated[PlainText, Path(alias="id")]
Rulesets = Annotated[RulesetRepository, Depends(provide(RulesetRepository))]


@router.get("/rulesets", dependencies=[VIEWER], response_model=list[RulesetRead])
async def list_rulesets(rulesets: Rulesets) -> list[Ruleset]:
    """List the engagement rulesets of the active OU. A lead has a separate score in each; one ruleset is primary."""
    return await rulesets.all()


@router.get("/rulesets/{id}", dependencies=[VIEWER], response_model=RulesetRead)
async def get_ruleset(ruleset_id: RulesetId, rulesets: Rulesets) -> Ruleset:
    """Get an engagement ruleset."""
    return await rulesets.get(ruleset_id)


@router.post(
    "/rulesets",
    dependencies=[OPERATOR],
    status_code=201,
    response_model=RulesetRead,
    responses=problems(Conflict),
)
async def create_ruleset(body: RulesetCreate, rulesets: Rulesets) -> Ruleset:
    """Create an engagement ruleset.

    The first ruleset of an OU is primary. A later one replaces it as primary if you set `is_primary`.
    """
    return await rulesets.create(body.values())


@router.put(
    "/rulesets/{id}",
    dependencies=[OPERATOR],
    status_code=204,
    responses={200: {"model": RulesetRead}, **problems(Conflict)},
)
async def update_ruleset(
    ruleset_id: RulesetId, body: RulesetChange, rulesets: Rulesets, wants: WantsRepresentation
) -> Response:
    """Update a ruleset. Only the fields you send change, and scores already earned stay.

    `is_primary: true` makes this ruleset primary instead of the current one.
    """
    return changed(RulesetRead.model_validate(await rulesets.change(ruleset_id, body.sent())), wants)


@router.delete("/rulesets/{id}", dependencies=[OPERATOR], status_code=204, responses=problems(Conflict))
async def delete_ruleset(ruleset_id: RulesetId, rulesets: Rulesets) -> None:
    """Delete a ruleset with its rules. The leads' scores in it stay.

    The primary ruleset can be deleted only when it is the last one.
    """
    await rulesets.remove(ruleset_id)
