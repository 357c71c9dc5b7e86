"""API credentials, with which programs authenticate."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response

from leadvibe.access.credentials.repository import CreatedCredential, CredentialRepository
from leadvibe.access.credentials.schemas import CredentialChange, CredentialCreate, CredentialCreated, CredentialRead
from leadvibe.access.dependencies import ANSWERS, OWNER, VIEWER, provide
from leadvibe.access.models import ApiCredential
from leadvibe.core.http.preferences import WantsRepresentation, changed
from leadvibe.core.http.schemas import PlainText

router = APIRouter(tags=["Secrets"], responses=ANSWERS)

SecretId = Annotated[PlainText, Path(alias="id")]
Credentials = Annotated[CredentialRepository, Depends(provide(CredentialRepository))]


@router.get("/secrets", dependencies=[VIEWER], response_model=list[CredentialRead])
async def list_secrets(credentials: Credentials) -> Sequence[ApiCredential]:
    """List the credentials of the active OU, without their secrets."""
    return await credentials.list()


@router.get("/secrets/{id}", dependencies=[VIEWER], response_model=CredentialRead)
async def get_secret(secret_id: SecretId, credentials: Credentials) -> ApiCredential:
    """Get a credential, without its secret."""
    return await credentials.get(secret_id)


@router.post("/secrets", dependencies=[OWNER], response_model=CredentialCreated)
async def create_secret(body: CredentialCreate, credentials: Credentials) -> CreatedCredential:
    """Create a credential for a program. It accesses the active OU as an Operator.

    The response contains the `client_secret`. Store it: the server returns it only once.
    """
    return await credentials.issue(body.name)


@router.put(
    "/secrets/{id}",
    dependencies=[OWNER],
    status_code=204,
    responses={200: {"model": CredentialRead}},
)
async def update_secret(
    secret_id: SecretId, body: CredentialChange, credentials: Credentials, wants: WantsRepresentation
) -> Response:
    """Set whether to trust the consent that this credential's events contain."""
    row = await credentials.update(await credentials.get(secret_id), body.sent())
    return changed(CredentialRead.model_validate(row), wants)


@router.delete("/secrets/{id}", dependencies=[OWNER], status_code=204)
async def revoke_secret(secret_id: SecretId, credentials: Credentials) -> None:
    """Revoke a credential. This takes effect immediately and can't be undone."""
    await credentials.revoke(secret_id)
