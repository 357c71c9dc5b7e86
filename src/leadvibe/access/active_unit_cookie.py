"""The signed `activeOu` cookie, which names a browser's active OU."""

from datetime import UTC, datetime

from fastapi import Request, Response
from itsdangerous import BadData, URLSafeSerializer

from leadvibe.access.cookies import set_cookie
from leadvibe.access.secret_key import key_for
from leadvibe.config import settings
from leadvibe.core.http.problems import Invalid

COOKIE = "activeOu"


def set_active_unit(request: Request, response: Response, member_id: str, unit_id: str) -> None:
    signed = sign_active_unit(member_id, unit_id)
    set_cookie(request, response, COOKIE, signed, path="/", lifetime=settings().active_unit_lifetime)


def sign_active_unit(member_id: str, unit_id: str) -> str:
    expires_at = datetime.now(UTC) + settings().active_unit_lifetime
    return _serializer().dumps([member_id, unit_id, int(expires_at.timestamp())])


def read_active_unit(cookie: str) -> tuple[str, str]:
    """The cookie's member ID and OU ID. `Invalid` if the cookie is forged or expired.

    An invalid cookie is an error: with a fallback to another OU, the client would write to an OU it doesn't expect.
    """
    try:
        member_id, unit_id, expires_at = _serializer().loads(cookie)
    except (BadData, ValueError):
        raise Invalid.field(
            COOKIE, "was not signed by this server; choose the OU with POST /org-units/active"
        ) from None
    if datetime.now(UTC).timestamp() >= expires_at:
        raise Invalid.field(COOKIE, "has expired; choose the OU again with POST /org-units/active")
    return member_id, unit_id


def _serializer() -> URLSafeSerializer:
    return URLSafeSerializer(key_for("active OU cookie"), salt=COOKIE)
