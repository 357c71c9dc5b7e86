"""Sign-in, sign-out and the current user."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from leadvibe.access.dependencies import CurrentMember, current_member, provide
from leadvibe.access.members.repository import MemberRepository
from leadvibe.access.models import Member
from leadvibe.access.sign_in import cookies
from leadvibe.access.sign_in import service as sign_in
from leadvibe.access.sign_in.cookies import RefreshCookie
from leadvibe.access.sign_in.schemas import AccessToken, CurrentUser, PasswordChange, SignIn
from leadvibe.access.sign_in.throttle import Attempts, TooManyAttempts
from leadvibe.config import settings
from leadvibe.core.http.problems import Invalid, NotAuthenticated, Unavailable, problems

router = APIRouter(tags=["Auth"])

REFUSALS = problems(Invalid, NotAuthenticated, TooManyAttempts, Unavailable)

Members = Annotated[MemberRepository, Depends(provide(MemberRepository, scope=current_member))]


@router.post("/auth/login", responses=REFUSALS)
async def sign_in_member(body: SignIn, attempts: Attempts, request: Request, response: Response) -> AccessToken:
    """Sign in with an e-mail address and a password.

    Send the access token in the `Authorization: Bearer` header. The refresh token is set as an HttpOnly cookie that
    browsers send only to the `/auth` paths.

    After some wrong passwords for an account, the response to further attempts from the same address is a 429 with
    `Retry-After`. Other addresses can still sign in to the account.
    """
    grant = await sign_in.sign_in(body.email, body.password, attempts)
    cookies.set_sign_in(request, response, grant)
    return _access_token(grant)


@router.post("/auth/refresh", responses=problems(NotAuthenticated))
async def refresh_sign_in(request: Request, response: Response, refresh_token: RefreshCookie = None) -> AccessToken:
    """Exchange the refresh cookie for a new access token and a new refresh cookie.

    A refresh token works once. If it is used again, somebody else may have a copy, so the whole sign-in ends.
    """
    grant = await sign_in.refresh(refresh_token)
    cookies.set_sign_in(request, response, grant)
    return _access_token(grant)


@router.post("/auth/logout", status_code=204)
async def sign_out_member(request: Request, response: Response, refresh_token: RefreshCookie = None) -> None:
    """Sign out. Ends the sign-in of the refresh cookie, and that of an access token in the `Authorization` header.

    Access tokens, cookies and open streams of the sign-in end too. Personal tokens stay. Deletes the refresh and
    `activeOu` cookies.
    """
    await sign_in.sign_out(refresh_token, request.headers.get("authorization"))
    cookies.delete_sign_in(response)


@router.put("/auth/password", status_code=204, responses=REFUSALS)
async def change_password(
    body: PasswordChange, caller: CurrentMember, attempts: Attempts, request: Request, response: Response
) -> None:
    """Change your password. Ends all your sign-ins, streams and personal tokens, this one included.

    The response sets the refresh cookie of a new sign-in: `POST /auth/refresh` returns its access token.
    """
    grant = await sign_in.change_password(caller.actor.id, body.current_password, body.new_password, attempts)
    cookies.set_sign_in(request, response, grant)


@router.post("/auth/cleanup", status_code=204)
async def clean_up_cookies(response: Response) -> None:
    """Delete the cookies of earlier sign-in flows. The current sign-in and the active OU stay."""
    cookies.delete_legacy(response)


@router.get("/auth/me", response_model=CurrentUser, responses=problems(NotAuthenticated))
@router.get("/me", response_model=CurrentUser, responses=problems(NotAuthenticated))
async def get_current_user(members: Members, caller: CurrentMember) -> Member:
    """Get the member who is signed in."""
    return await members.get(caller.actor.id)


def _access_token(grant: sign_in.Grant) -> AccessToken:
    lifetime = settings().access_token_lifetime
    return AccessToken(access_token=grant.access_token, expires_in=int(lifetime.total_seconds()))
