"""How the server sets cookies: no script can read them, and other sites' requests don't send them."""

from datetime import timedelta

from fastapi import Request, Response


def set_cookie(request: Request, response: Response, name: str, value: str, *, path: str, lifetime: timedelta) -> None:
    response.set_cookie(
        name,
        value,
        max_age=int(lifetime.total_seconds()),
        path=path,
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )
