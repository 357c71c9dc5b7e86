"""Credentials for programs and tokens for persons."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response

from leadvibe.access.credentials.repository import (
    CreatedCredential,
    CreatedToken,
    CredentialRepository,
    PersonalTokenRepository,
)
from leadvibe.access.dependencies import ANSWERS, OWNER, VIEWER, current_member, provide
from leadvibe.access.models import ApiCredential, PersonalToken
from leadvibe.access.schemas import (
    CredentialChange,
    CredentialCreate,
    CredentialCreated,
    CredentialRead,
    PersonalTokenCreate,
    PersonalTokenCreated,
    PersonalTokenRead,
)
from leadvibe.core.http.preferences import WantsRepresentation, changed
from leadvibe.core.http.problems import Invalid, NotAuthenticated, NotFound, problems
from leadvibe.core.http.schemas import PlainText

router = APIRouter()

Credentials = Annotated[CredentialRepository, Depends(provide(CredentialRepository))]
Tokens = Annotated[PersonalTokenRepository, Depends(provide(PersonalTokenRepository, scope=current_member))]


@router.get("/secrets", tags=["Secrets"], dependencies=[VIEWER], response_model=list[CredentialRead], responses=ANSWERS)
async def list_secrets(credentials: Credentials) -> Sequence[ApiCredential]:
    """The credentials of the active OU. A `client_secret` is never shown again."""
    return await credentials.list()


@router.post("/secrets", tags=["Secrets"], dependencies=[OWNER], response_model=CredentialCreated, responses=ANSWERS)
async def create_secret(body: CredentialCreate, credentials: Credentials) -> CreatedCredential:
    """Make a credential for a program that works in the active OU. Keep the `client_secret`: it is shown this once."""
    return await credentials.issue(body.name)


@router.put(
    "/secrets/{id}",
    tags=["Secrets"],
    dependencies=[OWNER],
    status_code=204,
    responses={200: {"model": CredentialRead}, **ANSWERS},
)
async def update_secret(
    secret_id: Annotated[PlainText, Path(alias="id")],
    body: CredentialChange,
    credentials: Credentials,
    wants: WantsRepresentation,
) -> Response:
    """Say whether the consent that comes with this credential's events is to be believed."""
    row = await credentials.update(await credentials.get(secret_id), body.sent())
    return changed(CredentialRead.model_validate(row), wants)


@router.delete("/secrets/{id}", tags=["Secrets"], dependencies=[OWNER], status_code=204, responses=ANSWERS)
async def revoke_secret(secret_id: Annotated[PlainText, Path(alias="id")], credentials: Credentials) -> None:
    """Revoke a credential at once and for good."""
    await credentials.revoke(secret_id)


@router.post(
    "/settings/tokens",
    tags=["Settings"],
    status_code=201,
    response_model=PersonalTokenCreated,
    responses=problems(Invalid, NotAuthenticated),
)
async def create_personal_token(body: PersonalTokenCreate, tokens: Tokens) -> CreatedToken:
    """Make a long-lived bearer token that acts as you, for your own scripts. Keep it: it is shown this once."""
    return await tokens.issue(body.name, body.expires_at)


@router.get(
    "/settings/tokens",
    tags=["Settings"],
    response_model=list[PersonalTokenRead],
    responses=problems(NotAuthenticated),
)
async def list_personal_tokens(tokens: Tokens) -> Sequence[PersonalToken]:
    """Your personal tokens, by their first characters."""
    return await tokens.list()


@router.delete(
    "/settings/tokens/{id}",
    tags=["Settings"],
    status_code=204,
    responses=problems(Invalid, NotAuthenticated, NotFound),
)
async def revoke_personal_token(token_id: Annotated[PlainText, Path(alias="id")], tokens: Tokens) -> None:
    """Revoke one of your personal tokens at once and for good."""
    await tokens.revoke(token_id)
