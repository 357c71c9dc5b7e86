"""The surge policy of the OU."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response

from leadvibe.access.dependencies import ANSWERS, OPERATOR, VIEWER, provide
from leadvibe.core.http.preferences import WantsRepresentation, changed
from leadvibe.rulesets.surge.repository import SurgePolicyRepository
from leadvibe.rulesets.surge.schemas import SurgePolicyChange, SurgePolicyRead

router = APIRouter(tags=["Surge"], responses=ANSWERS)

SurgePolicies = Annotated[SurgePolicyRepository, Depends(provide(SurgePolicyRepository))]


@router.get("/settings/ou/surge-policy", dependencies=[VIEWER], response_model=SurgePolicyRead)
async def get_surge_policy(policies: SurgePolicies) -> dict[str, Any]:
    """Get the surge policy in effect. An OU that has set none uses the mode `standard`."""
    return await policies.effective_policy()


@router.put(
    "/settings/ou/surge-policy",
    dependencies=[OPERATOR],
    status_code=204,
    responses={200: {"model": SurgePolicyRead}},
)
async def update_surge_policy(body: SurgePolicyChange, policies: SurgePolicies, wants: WantsRepresentation) -> Response:
    """Update the surge policy. Only the fields you send change, for events from now on.

    The mode `custom` requires bands; the other modes have their own. `null` restores the mode's default. Changing from
    `custom` to another mode discards the custom numbers.
    """
    return changed(SurgePolicyRead.model_validate(await policies.change(body.sent())), wants)
