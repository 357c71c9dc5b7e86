"""The security schemes of the OpenAPI document. They only describe; `dependencies` authenticates."""

from typing import Annotated

from fastapi import Depends
from fastapi.openapi.models import HTTPBase, HTTPBearer
from fastapi.security import APIKeyCookie
from fastapi.security.base import SecurityBase

from leadvibe.access.active_unit_cookie import COOKIE


class Scheme(SecurityBase):
    """A dependency that does nothing except appear in the OpenAPI document."""

    def __init__(self, name: str, model: HTTPBase) -> None:
        self.scheme_name = name
        self.model = model

    async def __call__(self) -> None:
        return None


bearer = HTTPBearer(bearerFormat="JWT", description="An access token from `POST /auth/login`, or a personal token.")
basic = HTTPBase(
    scheme="basic", description="The `client_id` and `client_secret` of a credential from `POST /secrets`."
)
cookie = APIKeyCookie(
    name=COOKIE,
    scheme_name=COOKIE,
    description="The signed cookie set by `POST /org-units/active`, for a browser's EventSource.",
    auto_error=False,
)

ByToken = Annotated[None, Depends(Scheme("bearerAuth", bearer))]
ByCredential = Annotated[None, Depends(Scheme("basicAuth", basic))]
ByCookie = Annotated[str | None, Depends(cookie)]
