"""Personal tokens, with which a member's own scripts authenticate."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Path

from leadvibe.access.dependencies import current_member, provide
from leadvibe.access.models import PersonalToken
from leadvibe.access.personal_tokens.repository import CreatedToken, PersonalTokenRepository
from leadvibe.access.personal_tokens.schemas import PersonalTokenCreate, PersonalTokenCreated, PersonalTokenRead
from leadvibe.core.http.problems import Invalid, NotAuthenticated, NotFound, problems
from leadvibe.core.http.schemas import PlainText

router = APIRouter(tags=["Settings"], responses=problems(NotAuthenticated))

TokenId = Annotated[PlainText, Path(alias="id")]
Tokens = Annotated[PersonalTokenRepository, Depends(provide(PersonalTokenRepository, scope=current_member))]


@router.post("/settings/tokens", status_code=201, response_model=PersonalTokenCreated, responses=problems(Invalid))
async def create_personal_token(body: PersonalTokenCreate, tokens: Tokens) -> CreatedToken:
    """Create a long-lived bearer token for your own scripts. It has your rights.

    A token that a personal token creates ends with that one, and expires no later. A token that an outside issuer's
    token creates expires no later than that one. A change of your password ends all your personal tokens.

    The response contains the `token`. Store it: the server returns it only once.
    """
    return await tokens.issue(body.name, body.expires_at)


@router.get("/settings/tokens", response_model=list[PersonalTokenRead])
async def list_personal_tokens(tokens: Tokens) -> Sequence[PersonalToken]:
    """List your personal tokens. Each shows only its first characters, in `token_prefix`."""
    return await tokens.list()


@router.get("/settings/tokens/{id}", response_model=PersonalTokenRead, responses=problems(Invalid, NotFound))
async def get_personal_token(token_id: TokenId, tokens: Tokens) -> PersonalToken:
    """Get one of your personal tokens. It shows only its first characters, in `token_prefix`."""
    return await tokens.get(token_id)


@router.delete("/settings/tokens/{id}", status_code=204, responses=problems(Invalid, NotFound))
async def revoke_personal_token(token_id: TokenId, tokens: Tokens) -> None:
    """Revoke one of your personal tokens. This takes effect immediately and can't be undone."""
    await tokens.revoke(token_id)
