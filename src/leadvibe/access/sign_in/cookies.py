"""The cookies that sign-in and sign-out set and delete."""

from dataclasses import replace
from typing import Annotated

from fastapi import Cookie, Request, Response

from leadvibe.access import active_unit_cookie
from leadvibe.access.active_unit_cookie import ActiveUnitChoice
from leadvibe.access.cookies import set_cookie
from leadvibe.access.sign_in.service import Grant
from leadvibe.config import settings
from leadvibe.core.http.problems import Invalid
from leadvibe.core.scope import Proof

REFRESH = "refresh_token"
REFRESH_PATH = "/auth"
LEGACY = ("access_token", "auth_token", "id_token", "auth_state", "auth_nonce", "auth_session")
"""Cookies that earlier sign-in flows used."""

RefreshCookie = Annotated[str | None, Cookie(alias=REFRESH, include_in_schema=False)]


def set_sign_in(request: Request, response: Response, grant: Grant) -> None:
    """Set the refresh token. An `activeOu` cookie goes over to the new sign-in, unless it is another member's."""
    lifetime = settings().refresh_token_lifetime
    set_cookie(request, response, REFRESH, grant.refresh_token, path=REFRESH_PATH, lifetime=lifetime)
    cookie = request.cookies.get(active_unit_cookie.COOKIE)
    if cookie is None:
        return
    choice = _read(cookie)
    if choice is None or choice.org_member_id != grant.org_member_id:
        response.delete_cookie(active_unit_cookie.COOKIE)
    else:
        renewed = replace(choice, proof=Proof("sign_in", grant.sign_in_id))
        active_unit_cookie.set_active_unit(request, response, renewed)


def delete_sign_in(response: Response) -> None:
    response.delete_cookie(REFRESH, path=REFRESH_PATH)
    response.delete_cookie(active_unit_cookie.COOKIE)


def delete_legacy(response: Response) -> None:
    for name in LEGACY:
        response.delete_cookie(name)


def _read(cookie: str) -> ActiveUnitChoice | None:
    try:
        return active_unit_cookie.read_active_unit(cookie)
    except Invalid:
        return None
