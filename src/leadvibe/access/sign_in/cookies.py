"""The cookies that sign-in and sign-out set and delete."""

from typing import Annotated

from fastapi import Cookie, Request, Response

from leadvibe.access import active_unit_cookie
from leadvibe.access.cookies import set_cookie
from leadvibe.access.sign_in.service import Grant
from leadvibe.config import settings
from leadvibe.core.http.problems import Invalid

REFRESH = "refresh_token"
REFRESH_PATH = "/auth"
LEGACY = ("access_token", "auth_token", "id_token", "auth_state", "auth_nonce", "auth_session")
"""Cookies that earlier sign-in flows used."""

RefreshCookie = Annotated[str | None, Cookie(alias=REFRESH, include_in_schema=False)]


def set_sign_in(request: Request, response: Response, grant: Grant) -> None:
    """Set the refresh token, and delete an `activeOu` cookie that belongs to another member."""
    lifetime = settings().refresh_token_lifetime
    set_cookie(request, response, REFRESH, grant.refresh_token, path=REFRESH_PATH, lifetime=lifetime)
    active_unit = request.cookies.get(active_unit_cookie.COOKIE)
    if active_unit is not None and _member_of(active_unit) != grant.org_member_id:
        response.delete_cookie(active_unit_cookie.COOKIE)


def delete_sign_in(response: Response) -> None:
    response.delete_cookie(REFRESH, path=REFRESH_PATH)
    response.delete_cookie(active_unit_cookie.COOKIE)


def delete_legacy(response: Response) -> None:
    for name in LEGACY:
        response.delete_cookie(name)


def _member_of(active_unit: str) -> str | None:
    try:
        return active_unit_cookie.read_active_unit(active_unit)[0]
    except Invalid:
        return None
