"""The author of an adjustment or reset in words: a member's e-mail address, or a credential's name."""

from sqlalchemy import ColumnElement, SQLColumnExpression, func, select

from leadvibe.access.models import ApiCredential, Member
from leadvibe.core.scope import Scope


def author_of(scope: Scope, author_id: SQLColumnExpression[str]) -> ColumnElement[str]:
    """The id itself if neither a member nor a credential has it any more."""
    email = select(Member.email).where(Member.org_member_id == author_id, Member.org_id == scope.org_id)
    name = select(ApiCredential.name).where(
        ApiCredential.unit_id == scope.unit_id, ApiCredential.secret_id == author_id
    )
    return func.coalesce(email.scalar_subquery(), name.scalar_subquery(), author_id)
