"""The cookies a browser carries: its sign-in and its active OU. No page's script can read them."""

from datetime import timedelta
from typing import Annotated

from fastapi import Cookie, Request, Response

from leadvibe.access import active_unit
from leadvibe.access.sign_in.service import Grant
from leadvibe.config import settings
from leadvibe.core.http.problems import Invalid

REFRESH = "refresh_token"
REFRESH_PATH = "/auth"
LEGACY = ("access_token", "auth_token", "id_token", "auth_state", "auth_nonce", "auth_session")
"""Names that earlier sign-in flows used."""

RefreshCookie = Annotated[str | None, Cookie(alias=REFRESH, include_in_schema=False)]


def keep_sign_in(request: Request, response: Response, grant: Grant) -> None:
    """Set the refresh token; an active OU that another member chose in this browser goes."""
    _set(request, response, (REFRESH, grant.refresh_token), REFRESH_PATH, settings().refresh_token_lifetime)
    chosen = request.cookies.get(active_unit.COOKIE)
    if chosen is not None and _chooser(chosen) != grant.org_member_id:
        response.delete_cookie(active_unit.COOKIE)


def keep_active_unit(request: Request, response: Response, member_id: str, unit_id: str) -> None:
    signed = active_unit.sign_active_unit(member_id, unit_id)
    _set(request, response, (active_unit.COOKIE, signed), "/", settings().active_unit_lifetime)


def drop_sign_in(response: Response) -> None:
    response.delete_cookie(REFRESH, path=REFRESH_PATH)
    response.delete_cookie(active_unit.COOKIE)


def drop_legacy(response: Response) -> None:
    for name in LEGACY:
        response.delete_cookie(name)


def _chooser(cookie: str) -> str | None:
    try:
        return active_unit.read_active_unit(cookie)[0]
    except Invalid:
        return None


def _set(request: Request, response: Response, cookie: tuple[str, str], path: str, lifetime: timedelta) -> None:
    name, value = cookie
    response.set_cookie(
        name,
        value,
        max_age=int(lifetime.total_seconds()),
        path=path,
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )
