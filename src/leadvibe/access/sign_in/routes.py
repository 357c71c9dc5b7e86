"""Sign-in, and who is signed in."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from leadvibe.access.dependencies import CurrentMember, current_member, provide
from leadvibe.access.members.repository import MemberRepository
from leadvibe.access.models import Member
from leadvibe.access.schemas import AccessToken, CurrentUser, SignIn
from leadvibe.access.sign_in import cookies
from leadvibe.access.sign_in import service as sign_in
from leadvibe.access.sign_in.cookies import RefreshCookie
from leadvibe.config import settings
from leadvibe.core.http.problems import Invalid, NotAuthenticated, problems

router = APIRouter(tags=["Auth"])

Members = Annotated[MemberRepository, Depends(provide(MemberRepository, scope=current_member))]


@router.post("/auth/login", responses=problems(Invalid, NotAuthenticated))
async def sign_in_member(body: SignIn, request: Request, response: Response) -> AccessToken:
    """Sign in with e-mail address and password.

    The access token goes into `Authorization: Bearer`. The refresh token comes in an HttpOnly cookie that only the
    `/auth` paths see.
    """
    grant = await sign_in.sign_in(body.email, body.password)
    cookies.keep_sign_in(request, response, grant)
    return _shown(grant)


@router.post("/auth/refresh", responses=problems(NotAuthenticated))
async def refresh_sign_in(request: Request, response: Response, refresh_token: RefreshCookie = None) -> AccessToken:
    """Trade the refresh cookie for a new access token and a new refresh cookie.

    A refresh token works once. Using it a second time ends the whole sign-in, for then somebody else has a copy of it.
    """
    grant = await sign_in.refresh(refresh_token)
    cookies.keep_sign_in(request, response, grant)
    return _shown(grant)


@router.post("/auth/logout", status_code=204)
async def sign_out_member(response: Response, refresh_token: RefreshCookie = None) -> None:
    """End this sign-in: its refresh tokens stop working, and the refresh and `activeOu` cookies are removed."""
    await sign_in.sign_out(refresh_token)
    cookies.drop_sign_in(response)


@router.post("/auth/cleanup", status_code=204)
async def clean_up_cookies(response: Response) -> None:
    """Remove cookies that earlier sign-in flows left behind. The current sign-in and the active OU stay."""
    cookies.drop_legacy(response)


@router.get("/auth/me", response_model=CurrentUser, responses=problems(NotAuthenticated))
@router.get("/me", response_model=CurrentUser, responses=problems(NotAuthenticated))
async def get_current_user(members: Members, caller: CurrentMember) -> Member:
    """Who you are: the member whose token this is."""
    return await members.get(caller.actor.id)


def _shown(grant: sign_in.Grant) -> AccessToken:
    lifetime = settings().access_token_lifetime
    return AccessToken(access_token=grant.access_token, expires_in=int(lifetime.total_seconds()))
