"""Access tokens of an outside issuer, checked by the keys it publishes (JWKS)."""

# Decoded JSON: values whose keys and items nothing types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import asyncio
from collections.abc import Mapping
from functools import cache
from time import monotonic
from typing import Any, Final

import httpx
import jwt
import structlog

from leadvibe.access.tokens import TokenExpired, TokenInvalid
from leadvibe.config import settings
from leadvibe.core.http.problems import Unavailable

ALGORITHMS: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)
"""Asymmetric ones only: a published key must never serve as a shared secret."""
ASK_AGAIN_AFTER: Final = 30.0
"""Seconds before an unknown key makes us ask again, whatever tokens are thrown at us."""
REFRESH_AFTER: Final = 3600.0
"""Seconds after which known keys are read again, so that withdrawn ones end."""

log = structlog.get_logger()


class KeySet:
    """An issuer's published keys by id."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._asked_at: float | None = None
        self._asking = asyncio.Lock()

    async def key(self, key_id: str | None) -> jwt.PyJWK:
        if self._should_ask(key_id):
            async with self._asking:
                if self._should_ask(key_id):
                    await self._ask()
        if not self._keys:
            raise Unavailable("The token issuer's keys can't be read now.")
        key = self._find(key_id)
        if key is None:
            raise TokenInvalid("The access token is signed with a key that its issuer doesn't publish.")
        return key

    def _find(self, key_id: str | None) -> jwt.PyJWK | None:
        if key_id is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(key_id)

    def _should_ask(self, key_id: str | None) -> bool:
        if self._asked_at is None:
            return True
        age = monotonic() - self._asked_at
        return age >= REFRESH_AFTER or (age >= ASK_AGAIN_AFTER and self._find(key_id) is None)

    async def _ask(self) -> None:
        """Read the keys; those we have stay where that fails."""
        try:
            self._keys = await self._fetch()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, TypeError) as error:
            log.warning("the token issuer's keys can't be read", url=self.url, error=str(error))
        self._asked_at = monotonic()

    async def _fetch(self) -> dict[str | None, jwt.PyJWK]:
        async with httpx.AsyncClient(timeout=5, follow_redirects=True) as client:
            response = await client.get(self.url)
        published = response.raise_for_status().json()
        if not isinstance(published, dict) or not isinstance(published.get("keys"), list):
            raise TypeError("not a set of JSON web keys")
        usable = (_usable(key) for key in published["keys"])
        return {key.key_id: key for key in usable if key is not None}


def _usable(published: Any) -> jwt.PyJWK | None:
    """A public key for signatures, or None for what this server has no use for."""
    try:
        key = jwt.PyJWK.from_dict(published)
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError):
        return None
    named_well = isinstance(published.get("kid"), str | None)
    return key if named_well and key.algorithm_name in ALGORITHMS and key.public_key_use in {None, "sig"} else None


@cache
def key_set(url: str) -> KeySet:
    return KeySet(url)


async def email_of(token: str) -> str:
    """The verified e-mail address that the issuer vouches for."""
    url = settings().jwks_url
    header = jwt.get_unverified_header(token)
    if url is None or header.get("alg") not in ALGORITHMS:
        raise TokenInvalid
    claims = _claims(token, await key_set(url).key(header.get("kid")))
    email = claims.get("email")
    if not isinstance(email, str) or claims.get("email_verified") is not True or "\x00" in email:
        raise TokenInvalid("The access token names no verified e-mail address.")
    return email.strip().lower()


def _claims(token: str, key: jwt.PyJWK) -> Mapping[str, Any]:
    config = settings()
    try:
        return jwt.decode(
            token,
            key,
            algorithms=sorted(ALGORITHMS),
            issuer=config.jwks_issuer,
            audience=config.jwks_audience,
            options={"require": ["exp", "sub"], "verify_aud": config.jwks_audience is not None},
        )
    except jwt.ExpiredSignatureError:
        raise TokenExpired from None
    except (jwt.InvalidTokenError, jwt.InvalidKeyError):
        raise TokenInvalid from None
