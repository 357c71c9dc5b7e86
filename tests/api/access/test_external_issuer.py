"""Access tokens of an external issuer."""

# Wrong types are sent on purpose.
# pyright: reportArgumentType=false

import base64
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from leadvibe.access.authentication import external_issuer
from leadvibe.config import settings
from support.callers import Caller
from support.issuer import Issuer
from support.world import World


class Clock:
    """A monotonic clock in seconds that tests advance."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    own = Clock()
    monkeypatch.setattr(external_issuer, "monotonic", own)
    return own


def encoded(part: bytes) -> bytes:
    return base64.urlsafe_b64encode(part).rstrip(b"=")


async def status(caller: Caller, token: str) -> int:
    response = await caller.get("/me", headers={"Authorization": f"Bearer {token}"})
    return response.status_code


async def test_a_token_authenticates_the_member_with_its_email(anonymous: Caller, issuer: Issuer, world: World) -> None:
    headers = {"Authorization": f"Bearer {issuer.token('first', email='Viewer@ACME.example')}"}
    me = await anonymous.get("/me", headers=headers)
    assert me.json()["org_member_id"] == world.viewer.member_id
    assert (await anonymous.get("/rulesets", headers=headers)).status_code == 200
    assert (await anonymous.post("/rulesets", json={"name": "a"}, headers=headers)).status_code == 403


async def test_elliptic_curve_keys_are_accepted(anonymous: Caller, issuer: Issuer) -> None:
    issuer.add_ec("curve")
    assert await status(anonymous, issuer.token("curve")) == 200


async def test_our_own_tokens_still_work(viewer: Caller, issuer: Issuer) -> None:
    assert (await viewer.get("/me")).status_code == 200
    assert issuer.fetches == 0


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://another.example"},
        {"iss": None},
        {"aud": "another"},
        {"aud": None},
        {"exp": None},
        {"sub": None},
        {"email": None},
        {"email": 7},
        {"email": "nobody@acme.example"},
        {"email": "viewer@acme.example\x00"},
        {"email_verified": False},
        {"email_verified": None},
        {"email_verified": "true"},
        {"nbf": datetime.now(UTC) + timedelta(hours=1)},
    ],
)
async def test_a_claim_that_is_wrong_or_missing_is_401(
    anonymous: Caller, issuer: Issuer, claims: dict[str, Any]
) -> None:
    assert await status(anonymous, issuer.token("first", **claims)) == 401


async def test_the_response_says_that_the_token_has_expired(anonymous: Caller, issuer: Issuer) -> None:
    token = issuer.token("first", exp=datetime.now(UTC) - timedelta(seconds=1))
    response = await anonymous.get("/me", headers={"Authorization": f"Bearer {token}"})
    assert response.status_code == 401
    assert "expired" in response.json()["detail"]


async def test_keys_from_another_address_are_refused(anonymous: Caller, issuer: Issuer) -> None:
    issuer.redirects_to = issuer.url
    assert await status(anonymous, issuer.token("first")) == 503
    assert issuer.fetches == 1


async def test_a_key_set_of_more_than_a_megabyte_is_refused(anonymous: Caller, issuer: Issuer) -> None:
    issuer.published.append("a" * external_issuer.MAX_KEY_SET_BYTES)
    assert await status(anonymous, issuer.token("first")) == 503


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
async def test_an_rsa_key_of_less_than_2048_bits_is_refused(anonymous: Caller, issuer: Issuer) -> None:
    issuer.add_rsa("short", bits=1024)
    assert await status(anonymous, issuer.token("short")) == 401
    assert await status(anonymous, issuer.token("first")) == 200


async def test_a_published_key_is_not_accepted_as_a_shared_secret(anonymous: Caller, issuer: Issuer) -> None:
    """A known attack: sign with HS256 and use the public key as the secret."""
    published = jwt.PyJWK.from_dict(issuer.published[0]).key
    pem = published.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    claims = issuer.claims(exp=int(datetime.now(UTC).timestamp()) + 60)

    for algorithm in ("sha256", "sha512"):
        header = {"alg": f"HS{algorithm.removeprefix('sha')}", "kid": "first", "typ": "JWT"}
        signed = b".".join(encoded(json.dumps(part).encode()) for part in (header, claims))
        token = signed + b"." + encoded(hmac.digest(pem, signed, algorithm))
        assert await status(anonymous, token.decode()) == 401
    assert await status(anonymous, jwt.encode(claims, None, "none", headers={"kid": "first"})) == 401


async def test_a_shared_secret_among_the_published_keys_is_ignored(anonymous: Caller, issuer: Issuer) -> None:
    secret = b"a secret that was published by mistake"
    issuer.published.append({"kty": "oct", "kid": "oct", "k": encoded(secret).decode()})
    token = jwt.encode(issuer.claims(), secret, "HS256", headers={"kid": "oct"})
    assert await status(anonymous, token) == 401
    assert await status(anonymous, issuer.token("first")) == 200


async def test_encryption_keys_and_invalid_keys_are_ignored(anonymous: Caller, issuer: Issuer) -> None:
    issuer.add_rsa("encryption", use="enc")
    issuer.published += [{"kty": "FUTURE", "kid": "a"}, {"kty": "RSA", "kid": "b"}, "no key", {"kid": ["c"]}]
    assert await status(anonymous, issuer.token("encryption")) == 401
    assert await status(anonymous, issuer.token("first")) == 200


async def test_a_token_without_a_key_id_is_verified_with_the_only_key(
    anonymous: Caller, issuer: Issuer, clock: Clock
) -> None:
    token = issuer.token("first", with_key_id=False)
    assert await status(anonymous, token) == 200
    issuer.add_rsa("second")
    clock.now += external_issuer.MAX_KEY_AGE_SECONDS
    assert await status(anonymous, token) == 401


async def test_the_keys_are_fetched_once(anonymous: Caller, issuer: Issuer) -> None:
    for _ in range(3):
        assert await status(anonymous, issuer.token("first")) == 200
    assert issuer.fetches == 1


async def test_a_new_key_is_fetched_but_not_for_every_token(anonymous: Caller, issuer: Issuer, clock: Clock) -> None:
    await status(anonymous, issuer.token("first"))
    issuer.add_rsa("second")
    token = issuer.token("second")
    assert [await status(anonymous, token) for _ in range(3)] == [401, 401, 401]
    assert issuer.fetches == 1
    clock.now += external_issuer.MIN_FETCH_INTERVAL_SECONDS
    assert await status(anonymous, token) == 200
    assert issuer.fetches == 2


async def test_a_withdrawn_key_stops_working(anonymous: Caller, issuer: Issuer, clock: Clock) -> None:
    token = issuer.token("first")
    assert await status(anonymous, token) == 200
    issuer.published.clear()
    issuer.add_rsa("second")
    clock.now += external_issuer.MAX_KEY_AGE_SECONDS
    assert await status(anonymous, token) == 401


async def test_while_the_issuer_is_unavailable_the_fetched_keys_stay_in_use(
    anonymous: Caller, issuer: Issuer, clock: Clock
) -> None:
    token = issuer.token("first")
    assert await status(anonymous, token) == 200
    issuer.available = False
    clock.now += external_issuer.MAX_KEY_AGE_SECONDS
    assert await status(anonymous, token) == 200


async def test_without_any_keys_the_response_is_503(anonymous: Caller, issuer: Issuer, clock: Clock) -> None:
    issuer.available = False
    token = issuer.token("first")
    assert await status(anonymous, token) == 503
    assert await status(anonymous, token) == 503
    assert issuer.fetches == 1
    issuer.available = True
    clock.now += external_issuer.MIN_FETCH_INTERVAL_SECONDS
    assert await status(anonymous, token) == 200


async def test_without_a_jwks_url_no_external_token_is_accepted(
    anonymous: Caller, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LEADVIBE_JWKS_URL")
    settings.cache_clear()
    assert await status(anonymous, issuer.token("first")) == 401
    assert issuer.fetches == 0
