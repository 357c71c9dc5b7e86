"""Access tokens of an external issuer, verified with the keys it publishes (JWKS)."""

# Decoded JSON: values whose keys and items nothing types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from time import monotonic
from typing import Any, Final

import httpx
import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from leadvibe.access.authentication.access_tokens import TokenExpired, TokenInvalid
from leadvibe.config import settings
from leadvibe.core.http.problems import Unavailable

ALGORITHMS: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)
"""Asymmetric algorithms only: with a symmetric one, the published key would be the signing secret."""
MIN_FETCH_INTERVAL_SECONDS: Final = 30.0
"""The keys are fetched at most this often, however many tokens with unknown keys arrive."""
MAX_KEY_AGE_SECONDS: Final = 3600.0
"""Older keys are fetched again, so that keys the issuer has withdrawn stop working."""
FETCH_TIMEOUT_SECONDS: Final = 5
MAX_KEY_SET_BYTES: Final = 1_000_000
MIN_RSA_BITS: Final = 2048

log = structlog.get_logger()


class KeySet:
    """An issuer's published keys by ID."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._fetched_at: float | None = None
        self._fetching = asyncio.Lock()

    async def key(self, key_id: str | None) -> jwt.PyJWK:
        if self._should_fetch(key_id):
            async with self._fetching:
                if self._should_fetch(key_id):
                    await self._refresh()
        if not self._keys:
            raise Unavailable("The server can't fetch the token issuer's keys. Try again in a moment.")
        key = self._find(key_id)
        if key is None:
            raise TokenInvalid("The access token is signed with a key that its issuer doesn't publish.")
        return key

    def _find(self, key_id: str | None) -> jwt.PyJWK | None:
        if key_id is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(key_id)

    def _should_fetch(self, key_id: str | None) -> bool:
        if self._fetched_at is None:
            return True
        age = monotonic() - self._fetched_at
        return age >= MAX_KEY_AGE_SECONDS or (age >= MIN_FETCH_INTERVAL_SECONDS and self._find(key_id) is None)

    async def _refresh(self) -> None:
        """Fetch the keys. If that fails, the keys of the last fetch stay in use."""
        try:
            self._keys = await self._fetch()
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError, TypeError, RecursionError) as error:
            log.warning("can't fetch the token issuer's keys", url=self.url, error=str(error))
        self._fetched_at = monotonic()

    async def _fetch(self) -> dict[str | None, jwt.PyJWK]:
        published = json.loads(await _download(self.url))
        if not isinstance(published, dict) or not isinstance(published.get("keys"), list):
            raise TypeError("the response is not a JSON Web Key Set")
        usable = (_usable(key) for key in published["keys"])
        return {key.key_id: key for key in usable if key is not None}


async def _download(url: str) -> bytes:
    """The response's body. A redirect is an error: whoever answers it could publish keys of their own."""
    async with (
        asyncio.timeout(FETCH_TIMEOUT_SECONDS),
        httpx.AsyncClient(timeout=FETCH_TIMEOUT_SECONDS) as client,
        client.stream("GET", url) as response,
    ):
        if not response.is_success:
            raise ValueError(f"the response has the status {response.status_code}")
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > MAX_KEY_SET_BYTES:
                raise ValueError(f"the response has more than {MAX_KEY_SET_BYTES:,} bytes")
    return bytes(body)


def _usable(published: Any) -> jwt.PyJWK | None:
    """The published key if it is a public signing key, else None."""
    try:
        key = jwt.PyJWK.from_dict(published)
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError):
        return None
    if isinstance(key.key, RSAPublicKey) and key.key.key_size < MIN_RSA_BITS:
        return None
    valid_id = isinstance(published.get("kid"), str | None)
    return key if valid_id and key.algorithm_name in ALGORITHMS and key.public_key_use in {None, "sig"} else None


@cache
def key_set(url: str) -> KeySet:
    return KeySet(url)


async def read_issued_token(token: str) -> tuple[str, datetime]:
    """The e-mail address in the token, in lower case, and when the token expires.

    The issuer must have verified the address.
    """
    url = settings().jwks_url
    header = jwt.get_unverified_header(token)
    if url is None or header.get("alg") not in ALGORITHMS:
        raise TokenInvalid
    claims = _claims(token, await key_set(url).key(header.get("kid")))
    email = claims.get("email")
    if not isinstance(email, str) or claims.get("email_verified") is not True or "\x00" in email:
        raise TokenInvalid("The access token contains no verified e-mail address.")
    return email.strip().lower(), datetime.fromtimestamp(int(claims["exp"]), UTC)


def _claims(token: str, key: jwt.PyJWK) -> Mapping[str, Any]:
    config = settings()
    try:
        return jwt.decode(
            token,
            key,
            algorithms=sorted(ALGORITHMS),
            issuer=config.jwks_issuer,
            audience=config.jwks_audience,
            options={"require": ["exp", "sub", "iss", "aud"]},
        )
    except jwt.ExpiredSignatureError:
        raise TokenExpired from None
    except (jwt.InvalidTokenError, jwt.InvalidKeyError):
        raise TokenInvalid from None
