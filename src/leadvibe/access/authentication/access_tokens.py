"""Access tokens that this server issues: short-lived JWTs."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from leadvibe.access.models import Member
from leadvibe.access.secret_key import key_for
from leadvibe.config import settings
from leadvibe.core.http.problems import NotAuthenticated

ISSUER = "leadvibe"
ALGORITHM = "HS256"


class TokenExpired(NotAuthenticated):
    detail = "The access token has expired. Refresh it or sign in again."


class TokenInvalid(NotAuthenticated):
    detail = "The access token is not valid."


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What a valid access token says."""

    org_member_id: str
    sign_in_id: str
    expires_at: datetime


def issue_access_token(member: Member, sign_in_id: str, lifetime: timedelta | None = None) -> str:
    """A JWT for a member's sign-in. Without a `lifetime` it expires after the configured time."""
    now = datetime.now(UTC)
    claims = {
        "iss": ISSUER,
        "sub": member.org_member_id,
        "sid": sign_in_id,
        "org_id": member.org_id,
        "email": member.email,
        "role": member.role,
        "iat": now,
        "exp": now + (settings().access_token_lifetime if lifetime is None else lifetime),
        "jti": secrets.token_hex(16),
    }
    return jwt.encode(claims, key_for("access token"), ALGORITHM)


def signed_in_by(authorization: str | None) -> str | None:
    """The ID of the sign-in in the access token of an `Authorization` header; None if it has no valid one."""
    scheme, _, token = (authorization or "").strip().partition(" ")
    try:
        return read_access_token(token.strip()).sign_in_id if scheme.lower() == "bearer" else None
    except NotAuthenticated:
        return None


def algorithm_of(token: str) -> str:
    """The algorithm in the token's header. It selects the verifier; the verifier doesn't trust it."""
    try:
        return str(jwt.get_unverified_header(token).get("alg"))
    except jwt.InvalidTokenError:
        raise TokenInvalid from None


def read_access_token(token: str) -> AccessClaims:
    """The claims of a valid token. Whether its sign-in has ended, only the database knows."""
    try:
        claims: Mapping[str, Any] = jwt.decode(
            token,
            key_for("access token"),
            algorithms=[ALGORITHM],
            issuer=ISSUER,
            options={"require": ["exp", "iat", "iss", "sub", "sid", "jti"]},
        )
    except jwt.ExpiredSignatureError:
        raise TokenExpired from None
    except jwt.InvalidTokenError:
        raise TokenInvalid from None
    return AccessClaims(str(claims["sub"]), str(claims["sid"]), datetime.fromtimestamp(claims["exp"], UTC))
