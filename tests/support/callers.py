"""HTTP clients for tests, each with the identity of its caller."""

import base64
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

BASE_URL = "http://leadvibe.test"


@dataclass(frozen=True)
class Identity:
    """A caller that exists in the template database."""

    org_id: str
    unit_id: str
    authorization: str
    email: str | None = None
    member_id: str | None = None
    sign_in_id: str | None = None
    client_id: str | None = None
    client_secret: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """A member also sends the OU. A credential has only one."""
        unit = {} if self.client_id else {"X-OU-ID": self.unit_id}
        return {"Authorization": self.authorization, **unit}


def basic_authorization(client_id: str, client_secret: str) -> str:
    return "Basic " + base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()


class Caller(httpx.AsyncClient):
    """An httpx client that sends the credentials of an identity and knows its IDs."""

    def __init__(self, app: Any, identity: Identity | None) -> None:
        super().__init__(
            # As with a real server, an exception is a 500 response for the client. The log contains the traceback.
            transport=httpx.ASGITransport(app, raise_app_exceptions=False),
            base_url=BASE_URL,
            headers=identity.headers if identity else {},
        )
        self.identity = identity

    @property
    def who(self) -> Identity:
        if self.identity is None:
            raise LookupError("an anonymous caller has no identity")
        return self.identity

    @property
    def unit_id(self) -> str:
        return self.who.unit_id

    @property
    def org_id(self) -> str:
        return self.who.org_id

    @property
    def member_id(self) -> str:
        if self.who.member_id is None:
            raise LookupError("a credential has no member ID")
        return self.who.member_id


@asynccontextmanager
async def caller(app: Any, identity: Identity | None) -> AsyncGenerator[Caller]:
    async with Caller(app, identity) as own:
        yield own
