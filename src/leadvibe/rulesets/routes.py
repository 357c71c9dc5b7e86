"""The configuration of scoring: rulesets, rules, surge policy, decays, inorganic filters."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Response

from leadvibe.access.dependencies import ANSWERS, OPERATOR, VIEWER, provide
from leadvibe.core.http.preferences import WantsRepresentation, changed
from leadvibe.core.http.problems import Conflict, problems
from leadvibe.core.http.schemas import PlainText
from leadvibe.rulesets.models import Decay, InorganicFilter, Rule, Ruleset
from leadvibe.rulesets.repository import (
    DecayRepository,
    InorganicFilterRepository,
    RuleRepository,
    RulesetRepository,
    SurgePolicyRepository,
)
from leadvibe.rulesets.schemas import (
    DecayChange,
    DecayCreate,
    DecayRead,
    InorganicFilterChange,
    InorganicFilterCreate,
    InorganicFilterRead,
    RuleChange,
    RuleCreate,
    RuleRead,
    RulesetChange,
    RulesetCreate,
    RulesetRead,
    SurgePolicyChange,
    SurgePolicyRead,
)

router = APIRouter(responses=ANSWERS)

Rulesets = Annotated[RulesetRepository, Depends(provide(RulesetRepository))]
Rules = Annotated[RuleRepository, Depends(provide(RuleRepository))]
SurgePolicies = Annotated[SurgePolicyRepository, Depends(provide(SurgePolicyRepository))]
Decays = Annotated[DecayRepository, Depends(provide(DecayRepository))]
Filters = Annotated[InorganicFilterRepository, Depends(provide(InorganicFilterRepository))]


@router.get("/rulesets", tags=["RuleSets"], dependencies=[VIEWER], response_model=list[RulesetRead])
async def list_rulesets(rulesets: Rulesets) -> list[Ruleset]:
    """The engagement rulesets of the active OU. Each keeps a score of its own for every lead; one is the primary."""
    return await rulesets.all()


@router.post(
    "/rulesets",
    tags=["RuleSets"],
    dependencies=[OPERATOR],
    status_code=201,
    response_model=RulesetRead,
    responses=problems(Conflict),
)
async def create_ruleset(body: RulesetCreate, rulesets: Rulesets) -> Ruleset:
    """Create an engagement ruleset. The first of an OU is the primary; a later one that is made primary replaces it."""
    return await rulesets.create(body.values())


@router.put(
    "/rulesets/{id}",
    tags=["RuleSets"],
    dependencies=[OPERATOR],
    status_code=204,
    responses={200: {"model": RulesetRead}, **problems(Conflict)},
)
async def update_ruleset(
    ruleset_id: Annotated[PlainText, Path(alias="id")],
    body: RulesetChange,
    rulesets: Rulesets,
    wants: WantsRepresentation,
) -> Response:
    """Change the fields that are sent. `is_primary: true` moves the flag here; scores already earned stay."""
    return changed(RulesetRead.model_validate(await rulesets.change(ruleset_id, body.sent())), wants)


@router.delete(
    "/rulesets/{id}", tags=["RuleSets"], dependencies=[OPERATOR], status_code=204, responses=problems(Conflict)
)
async def delete_ruleset(ruleset_id: Annotated[PlainText, Path(alias="id")], rulesets: Rulesets) -> None:
    """Delete a ruleset and its rules; the scores that leads have in it are kept. The primary one goes last."""
    await rulesets.remove(ruleset_id)


@router.get("/rulesets/{id}/rules", tags=["Rules"], dependencies=[VIEWER], response_model=list[RuleRead])
async def list_ruleset_rules(ruleset_id: Annotated[PlainText, Path(alias="id")], rules: Rules) -> list[Rule]:
    """The rules of one ruleset, inactive ones included."""
    return await rules.of(ruleset_id)


@router.get("/rules", tags=["Rules"], dependencies=[VIEWER], response_model=list[RuleRead])
async def list_rules(rules: Rules) -> list[Rule]:
    """The rules of all rulesets of the active OU."""
    return await rules.all()


@router.post(
    "/rules",
    tags=["Rules"],
    dependencies=[OPERATOR],
    status_code=201,
    response_model=RuleRead,
    responses=problems(Conflict),
)
async def create_rule(body: RuleCreate, rules: Rules) -> Rule:
    """Let events of a type earn points, from now on. Without a `ruleset_id` they count in the primary ruleset."""
    return await rules.create(body.values())


@router.put(
    "/rules/{id}",
    tags=["Rules"],
    dependencies=[OPERATOR],
    status_code=204,
    responses={200: {"model": RuleRead}, **problems(Conflict)},
)
async def update_rule(
    rule_id: Annotated[PlainText, Path(alias="id")], body: RuleChange, rules: Rules, wants: WantsRepresentation
) -> Response:
    """Change the fields that are sent. What the rule has paid already stays paid."""
    return changed(RuleRead.model_validate(await rules.change(rule_id, body.sent())), wants)


@router.delete("/rules/{id}", tags=["Rules"], dependencies=[OPERATOR], status_code=204)
async def delete_rule(rule_id: Annotated[PlainText, Path(alias="id")], rules: Rules) -> None:
    """Delete a rule. What it has paid stays paid; `active: false` is the way to stop it that can be undone."""
    await rules.remove(rule_id)


@router.get("/settings/ou/surge-policy", tags=["Surge"], dependencies=[VIEWER], response_model=SurgePolicyRead)
async def get_surge_policy(policies: SurgePolicies) -> dict[str, Any]:
    """The surge policy that is in effect: Standard, where nothing was stored."""
    return await policies.effective_policy()


@router.put(
    "/settings/ou/surge-policy",
    tags=["Surge"],
    dependencies=[OPERATOR],
    status_code=204,
    responses={200: {"model": SurgePolicyRead}},
)
async def update_surge_policy(body: SurgePolicyChange, policies: SurgePolicies, wants: WantsRepresentation) -> Response:
    """Change the fields that are sent, for events from now on. What a mode brings with it needs no sending.

    `custom` needs bands; a change from it to another mode forgets its numbers. `null` means the mode's own.
    """
    return changed(SurgePolicyRead.model_validate(await policies.change(body.sent())), wants)


@router.get("/decays", tags=["Decays"], dependencies=[VIEWER], response_model=list[DecayRead])
async def list_decays(decays: Decays) -> list[Decay]:
    """The decay rules of the active OU."""
    return await decays.all()


@router.post("/decays", tags=["Decays"], dependencies=[OPERATOR], status_code=201, response_model=DecayRead)
async def create_decay(body: DecayCreate, decays: Decays) -> Decay:
    """Let every full period of silence cost points, in each active ruleset and not below zero."""
    return await decays.create(body.values())


@router.put(
    "/decays/{id}",
    tags=["Decays"],
    dependencies=[OPERATOR],
    status_code=204,
    responses={200: {"model": DecayRead}},
)
async def update_decay(
    decay_id: Annotated[PlainText, Path(alias="id")], body: DecayChange, decays: Decays, wants: WantsRepresentation
) -> Response:
    """Change the fields that are sent. A new period starts counting at the change."""
    return changed(DecayRead.model_validate(await decays.change(decay_id, body.sent())), wants)


@router.delete("/decays/{id}", tags=["Decays"], dependencies=[OPERATOR], status_code=204)
async def delete_decay(decay_id: Annotated[PlainText, Path(alias="id")], decays: Decays) -> None:
    """Delete a decay rule. What it has taken is not given back."""
    await decays.remove(decay_id)


@router.get("/filters", tags=["Filters"], dependencies=[VIEWER], response_model=list[InorganicFilterRead])
async def list_filters(filters: Filters) -> list[InorganicFilter]:
    """The inorganic filters of the active OU."""
    return await filters.all()


@router.post("/filters", tags=["Filters"], dependencies=[OPERATOR], status_code=201, response_model=InorganicFilterRead)
async def create_filter(body: InorganicFilterCreate, filters: Filters) -> InorganicFilter:
    """Let events of a type earn nothing where a lead has more of them within a window than a person can make."""
    return await filters.create(body.values())


@router.put(
    "/filters/{id}",
    tags=["Filters"],
    dependencies=[OPERATOR],
    status_code=204,
    responses={200: {"model": InorganicFilterRead}},
)
async def update_filter(
    filter_id: Annotated[PlainText, Path(alias="id")],
    body: InorganicFilterChange,
    filters: Filters,
    wants: WantsRepresentation,
) -> Response:
    """Change the fields that are sent, for events from now on."""
    return changed(InorganicFilterRead.model_validate(await filters.change(filter_id, body.sent())), wants)


@router.delete("/filters/{id}", tags=["Filters"], dependencies=[OPERATOR], status_code=204)
async def delete_filter(filter_id: Annotated[PlainText, Path(alias="id")], filters: Filters) -> None:
    """Delete an inorganic filter. What it has suppressed stays suppressed."""
    await filters.remove(filter_id)
