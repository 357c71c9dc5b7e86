"""Signing in with a password in tests, as a browser does."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from leadvibe.access.active_unit_cookie import ActiveUnitChoice, sign_active_unit
from leadvibe.core.scope import Proof
from support.callers import Caller, Identity
from support.world import PASSWORD


@asynccontextmanager
async def browser(app: Any, identity: Identity) -> AsyncGenerator[Caller]:
    """A client that sends only the access token and the cookies of its sign-in."""
    async with Caller(app, None) as own:
        own.identity = identity
        await sign_in(own, identity.email or "")
        yield own


async def sign_in(caller: Caller, email: str, password: str = PASSWORD) -> httpx.Response:
    """Sign in. From then on the caller sends the access token."""
    response = await caller.post("/auth/login", json={"email": email, "password": password})
    if response.is_success:
        caller.headers["Authorization"] = f"Bearer {response.json()['access_token']}"
    return response


def sign_choice(identity: Identity, member_id: str | None = None) -> str:
    """An `activeOu` cookie for the identity's OU and sign-in."""
    proof = Proof("sign_in", identity.sign_in_id or "")
    return sign_active_unit(ActiveUnitChoice(member_id or identity.member_id or "", identity.unit_id, proof))


def set_cookie(response: httpx.Response, name: str) -> str:
    """The whole `Set-Cookie` of this name."""
    matching = [value for value in response.headers.get_list("set-cookie") if value.startswith(f"{name}=")]
    assert len(matching) == 1, response.headers
    return matching[0]


def with_another_signature(signed: str) -> str:
    """The signed value with another first character of the signature. Base64 ignores some bits of the last one."""
    payload, signature = signed.rsplit(".", 1)
    return f"{payload}.{_other(signature[0])}{signature[1:]}"


def with_another_payload(signed: str) -> str:
    return _other(signed[0]) + signed[1:]


def _other(character: str) -> str:
    return "B" if character == "A" else "A"
