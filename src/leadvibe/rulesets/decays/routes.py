"""Decay rules, which deduct points from inactive leads."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response

from leadvibe.access.dependencies import ANSWERS, OPERATOR, VIEWER, provide
from leadvibe.core.http.preferences import WantsRepresentation, changed
from leadvibe.core.http.schemas import PlainText
from leadvibe.rulesets.decays.repository import DecayRepository
from leadvibe.rulesets.decays.schemas import DecayChange, DecayCreate, DecayRead
from leadvibe.rulesets.models import Decay

router = APIRouter(tags=["Decays"], responses=ANSWERS)

DecayId = Annotated[PlainText, Path(alias="id")]
Decays = Annotated[DecayRepository, Depends(provide(DecayRepository))]


@router.get("/decays", dependencies=[VIEWER], response_model=list[DecayRead])
async def list_decays(decays: Decays) -> list[Decay]:
    """List the decay rules of the active OU."""
    return await decays.all()


@router.get("/decays/{id}", dependencies=[VIEWER], response_model=DecayRead)
async def get_decay(decay_id: DecayId, decays: Decays) -> Decay:
    """Get a decay rule."""
    return await decays.get(decay_id)


@router.post("/decays", dependencies=[OPERATOR], status_code=201, response_model=DecayRead)
async def create_decay(body: DecayCreate, decays: Decays) -> Decay:
    """Create a decay rule. It deducts points in each active ruleset after every full period without activity.

    A decay never takes a score below zero.
    """
    return await decays.create(body.values())


@router.put(
    "/decays/{id}",
    dependencies=[OPERATOR],
    status_code=204,
    responses={200: {"model": DecayRead}},
)
async def update_decay(decay_id: DecayId, body: DecayChange, decays: Decays, wants: WantsRepresentation) -> Response:
    """Update a decay rule. Only the fields you send change. A new period starts to count at the time of the change."""
    return changed(DecayRead.model_validate(await decays.change(decay_id, body.sent())), wants)


@router.delete("/decays/{id}", dependencies=[OPERATOR], status_code=204)
async def delete_decay(decay_id: DecayId, decays: Decays) -> None:
    """Delete a decay rule. Points already deducted are not restored."""
    await decays.remove(decay_id)
