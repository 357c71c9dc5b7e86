"""The OUs of the organization, and the choice of the active OU."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request, Response

from leadvibe.access.active_unit_cookie import ActiveUnitChoice, set_active_unit
from leadvibe.access.dependencies import (
    ADMIN,
    ANSWERS,
    PATH_OWNER,
    CurrentOrg,
    PathScope,
    current_org,
    path_scope,
    provide,
)
from leadvibe.core.http.problems import Conflict, problems
from leadvibe.units.models import OrgUnit
from leadvibe.units.repository import UnitList, UnitRepository
from leadvibe.units.schemas import UnitChange, UnitChoice, UnitRead, Units, UnitWrite

router = APIRouter(tags=["OrgUnits"], responses=ANSWERS)

PRINTABLE_ASCII = "".join(map(chr, range(32, 127))).replace("%", "")

UnitsOfCaller = Annotated[UnitRepository, Depends(provide(UnitRepository, scope=current_org))]
UnitOfPath = Annotated[UnitRepository, Depends(provide(UnitRepository, scope=path_scope))]


@router.get("/org-units", response_model=Units)
async def list_org_units(units: UnitsOfCaller) -> UnitList:
    """List the OUs that you can access, and their organization. A credential can access one OU, its own."""
    return await units.list()


@router.get("/org-units/{id}", response_model=UnitRead)
async def get_org_unit(units: UnitOfPath, scope: PathScope) -> OrgUnit:
    """Get an OU that you can access. It doesn't have to be the active one."""
    return await units.get(scope.unit_id)


@router.post(
    "/org-units",
    dependencies=[ADMIN],
    status_code=201,
    response_model=UnitRead,
    responses=problems(Conflict),
)
async def create_org_unit(body: UnitWrite, units: UnitsOfCaller) -> OrgUnit:
    """Create an OU with you as its Owner and one primary ruleset. Its data is invisible in other OUs."""
    return await units.create(body.name)


@router.post("/org-units/active", status_code=204)
async def set_active_org_unit(
    body: UnitChoice, units: UnitsOfCaller, caller: CurrentOrg, request: Request, response: Response
) -> None:
    """Choose the active OU. Sets the `activeOu` cookie and returns the OU in `X-OU-ID` and `X-OU-Name`.

    A credential always works in its own OU and gets no cookie. Characters of the name outside printable ASCII are
    percent-encoded UTF-8.
    """
    unit = await units.get(body.unit_id)
    response.headers["X-OU-ID"] = unit.unit_id
    response.headers["X-OU-Name"] = quote(unit.name, safe=PRINTABLE_ASCII)
    if caller.actor.kind == "member" and caller.proof is not None:
        set_active_unit(request, response, ActiveUnitChoice(caller.actor.id, unit.unit_id, caller.proof))


@router.put(
    "/org-units/{id}",
    dependencies=[PATH_OWNER],
    response_model=UnitRead,
    responses=problems(Conflict),
)
async def rename_org_unit(body: UnitChange, units: UnitOfPath, scope: PathScope) -> OrgUnit:
    """Rename an OU, and set the country of its local phone numbers. The slug changes with the name."""
    return await units.change(scope.unit_id, body.name, body.sent())
