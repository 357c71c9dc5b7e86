"""The ways to authenticate, as the OpenAPI names them; what a caller sent is checked elsewhere."""

from typing import Annotated

from fastapi import Depends
from fastapi.openapi.models import HTTPBase, HTTPBearer
from fastapi.security import APIKeyCookie
from fastapi.security.base import SecurityBase

from leadvibe.access.active_unit import COOKIE


class Scheme(SecurityBase):
    """A dependency that does nothing but stand in the description."""

    def __init__(self, name: str, model: HTTPBase) -> None:
        self.scheme_name = name
        self.model = model

    async def __call__(self) -> None:
        return None


bearer = HTTPBearer(bearerFormat="JWT", description="An access token from `POST /auth/login`, or a personal token.")
basic = HTTPBase(scheme="basic", description="`client_id` and `client_secret` of a credential from `POST /secrets`.")
cookie = APIKeyCookie(
    name=COOKIE,
    scheme_name=COOKIE,
    description="The signed cookie of `POST /org-units/active`, for a browser's EventSource.",
    auto_error=False,
)

ByToken = Annotated[None, Depends(Scheme("bearerAuth", bearer))]
ByCredential = Annotated[None, Depends(Scheme("basicAuth", basic))]
ByCookie = Annotated[str | None, Depends(cookie)]
