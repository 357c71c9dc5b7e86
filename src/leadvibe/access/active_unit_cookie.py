"""The signed `activeOu` cookie, which names a browser's active OU."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, cast

from fastapi import Request, Response
from itsdangerous import BadData, URLSafeSerializer

from leadvibe.access.cookies import set_cookie
from leadvibe.access.secret_key import key_for
from leadvibe.config import settings
from leadvibe.core.http.problems import Invalid
from leadvibe.core.scope import Proof

COOKIE = "activeOu"

ProofOfMember = Literal["sign_in", "personal_token", "issuer"]


@dataclass(frozen=True, slots=True)
class ActiveUnitChoice:
    """The content of the cookie. `proof` authenticated the member who chose the OU."""

    org_member_id: str
    unit_id: str
    proof: Proof


def set_active_unit(request: Request, response: Response, choice: ActiveUnitChoice) -> None:
    signed = sign_active_unit(choice)
    set_cookie(request, response, COOKIE, signed, path="/", lifetime=settings().active_unit_lifetime)


def sign_active_unit(choice: ActiveUnitChoice) -> str:
    proof = choice.proof
    expires_at = datetime.now(UTC) + settings().active_unit_lifetime
    # A sign-in outlives its access token. Everything else ends when it says.
    if proof.kind != "sign_in" and proof.expires_at is not None:
        expires_at = min(expires_at, proof.expires_at)
    return _serializer().dumps(
        [choice.org_member_id, choice.unit_id, int(expires_at.timestamp()), proof.kind, proof.id]
    )


def read_active_unit(cookie: str) -> ActiveUnitChoice:
    """The content of the cookie. `Invalid` if the cookie is forged or expired.

    An invalid cookie is an error: with a fallback to another OU, the client would write to an OU it doesn't expect.
    """
    try:
        org_member_id, unit_id, expires_at, *proof = _serializer().loads(cookie)
    except (BadData, ValueError):
        raise Invalid.field(
            COOKIE, "was not signed by this server; choose the OU with POST /org-units/active"
        ) from None
    if datetime.now(UTC).timestamp() >= expires_at:
        raise Invalid.field(COOKIE, "has expired; choose the OU again with POST /org-units/active")
    # A cookie of an earlier version names no sign-in. It still chooses the OU, and opens no stream.
    kind, proof_id = proof or ("sign_in", "")
    expiry = datetime.fromtimestamp(expires_at, UTC)
    return ActiveUnitChoice(org_member_id, unit_id, Proof(cast(ProofOfMember, kind), proof_id, expiry))


def _serializer() -> URLSafeSerializer:
    return URLSafeSerializer(key_for("active OU cookie"), salt=COOKIE)
