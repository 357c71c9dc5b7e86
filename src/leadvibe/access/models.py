"""Organizations, members, API credentials and tokens."""

from sqlalchemy import ForeignKey, text
from sqlalchemy.orm import Mapped, mapped_column

from leadvibe.core.database.models import Base, Blob, Id, Instant, OfUnit, Timestamps


class Organization(Base, Timestamps):
    __tablename__ = "organizations"

    org_id: Mapped[Id] = mapped_column(primary_key=True)
    name: Mapped[str]
    allow_negative_scores: Mapped[bool] = mapped_column(server_default=text("false"))
    abm_enabled: Mapped[bool] = mapped_column(server_default=text("false"))


class Member(Base, Timestamps):
    """A person in one organization, who signs in with an e-mail address and a password."""

    __tablename__ = "members"

    org_member_id: Mapped[Id] = mapped_column(primary_key=True)
    org_id: Mapped[Id] = mapped_column(ForeignKey("organizations.org_id", ondelete="CASCADE"), index=True)
    first_name: Mapped[str]
    last_name: Mapped[str]
    email: Mapped[Id] = mapped_column(unique=True)
    """In lower case. Unique on this server, across all organizations."""
    password_hash: Mapped[str | None]
    role: Mapped[str]
    """The role in the organization: admin, editor or viewer."""
    verified: Mapped[bool] = mapped_column(server_default=text("true"))


class ApiCredential(Base, OfUnit, Timestamps):
    """A program's credential for one OU (`/secrets`)."""

    __tablename__ = "api_credentials"

    secret_id: Mapped[Id] = mapped_column(primary_key=True)
    client_id: Mapped[Id] = mapped_column(unique=True)
    secret_digest: Mapped[Blob]
    """SHA-256. The secret is long and random, so it needs no slow hash."""
    name: Mapped[str]
    trust_upstream_consent: Mapped[bool] = mapped_column(server_default=text("false"))
    created_by: Mapped[str | None]


class PersonalToken(Base):
    """A member's long-lived bearer token."""

    __tablename__ = "personal_tokens"

    token_id: Mapped[Id] = mapped_column(primary_key=True)
    org_member_id: Mapped[Id] = mapped_column(ForeignKey("members.org_member_id", ondelete="CASCADE"), index=True)
    parent_id: Mapped[Id | None] = mapped_column(ForeignKey("personal_tokens.token_id", ondelete="CASCADE"), index=True)
    """The personal token that created this one, which ends with it. None if a sign-in created it."""
    name: Mapped[str]
    token_digest: Mapped[Blob] = mapped_column(unique=True)
    token_prefix: Mapped[str]
    expires_at: Mapped[Instant | None]
    created_at: Mapped[Instant] = mapped_column(server_default=text("now()"))
    last_used_at: Mapped[Instant | None]


class SignIn(Base):
    """A sign-in that has not ended. Its access tokens, refresh tokens, cookies and streams end with the row."""

    __tablename__ = "sign_ins"

    sign_in_id: Mapped[Id] = mapped_column(primary_key=True)
    org_member_id: Mapped[Id] = mapped_column(ForeignKey("members.org_member_id", ondelete="CASCADE"), index=True)
    created_at: Mapped[Instant] = mapped_column(server_default=text("now()"))
    expires_at: Mapped[Instant]
    """Each refresh moves it."""


class RefreshToken(Base):
    """A refresh token. Reusing a spent one ends the sign-in."""

    __tablename__ = "refresh_tokens"

    token_digest: Mapped[Blob] = mapped_column(primary_key=True)
    sign_in_id: Mapped[Id] = mapped_column(ForeignKey("sign_ins.sign_in_id", ondelete="CASCADE"), index=True)
    spent_at: Mapped[Instant | None]
