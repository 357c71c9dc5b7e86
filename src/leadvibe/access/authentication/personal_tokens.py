"""Personal tokens: how they are generated, and who a token belongs to."""

import secrets
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select, update

from leadvibe.access.authentication.access_tokens import TokenExpired, TokenInvalid
from leadvibe.access.authentication.digests import secret_digest
from leadvibe.access.models import Member, PersonalToken
from leadvibe.core.database.transactions import transaction

PREFIX = "lv_pat_"
"""Distinguishes a personal token from a JWT."""
LAST_USED_RESOLUTION = timedelta(minutes=1)
"""`last_used_at` is written at most this often."""


def generate_personal_token() -> str:
    return PREFIX + secrets.token_urlsafe(32)


async def verify_personal_token(token: str) -> tuple[Member, PersonalToken]:
    """The token's owner and the token. Also records the time of use."""
    async with transaction(None) as session:
        result = await session.execute(
            select(PersonalToken, Member)
            .join(Member, Member.org_member_id == PersonalToken.org_member_id)
            .where(PersonalToken.token_digest == secret_digest(token))
        )
        row = result.one_or_none()
        if row is None:
            raise TokenInvalid("The personal token is not valid.")
        personal_token, member = row
        now = datetime.now(UTC)
        if personal_token.expires_at is not None and personal_token.expires_at <= now:
            raise TokenExpired("The personal token has expired.")
        if personal_token.last_used_at is None or now - personal_token.last_used_at >= LAST_USED_RESOLUTION:
            await session.execute(
                update(PersonalToken)
                .where(PersonalToken.token_id == personal_token.token_id)
                .values(last_used_at=func.now())
                .execution_options(synchronize_session=False)
            )
    return member, personal_token
