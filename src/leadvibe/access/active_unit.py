"""The `activeOu` cookie: which OU a browser works in, signed so that nobody else can write one."""

from datetime import UTC, datetime

from itsdangerous import BadData, URLSafeSerializer

from leadvibe.access.secret_key import key_for
from leadvibe.config import settings
from leadvibe.core.http.problems import Invalid

COOKIE = "activeOu"


def sign_active_unit(member_id: str, unit_id: str) -> str:
    expires_at = datetime.now(UTC) + settings().active_unit_lifetime
    return _serializer().dumps([member_id, unit_id, int(expires_at.timestamp())])


def read_active_unit(cookie: str) -> tuple[str, str]:
    """The member and the OU that the cookie names; `Invalid` for one that is forged or past its time.

    Refused rather than ignored: falling back to another OU would put a client's writes where it doesn't expect them.
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
