"""Creates the first organization of a new server, with an OU, an admin and an API credential."""

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.access.authentication.credentials import NewCredential, generate_credential
from leadvibe.access.authentication.password_rules import check_password
from leadvibe.access.authentication.passwords import hash_password
from leadvibe.access.models import ApiCredential, Member, Organization
from leadvibe.core.command_error import CommandError
from leadvibe.core.database.advisory_locks import BOOTSTRAP_LOCK
from leadvibe.core.database.transactions import transaction
from leadvibe.core.ids import new_id
from leadvibe.core.scope import Role, system_scope
from leadvibe.rulesets.versions import create_configuration
from leadvibe.units.models import OrgUnit, UnitMembership
from leadvibe.units.slugs import slug_of


@dataclass(frozen=True, slots=True)
class Bootstrapped:
    org_id: str
    unit_id: str
    org_member_id: str
    client_id: str
    client_secret: str = field(repr=False)


def _do_nothing(_created: Bootstrapped) -> None:
    pass


async def bootstrap(
    *,
    organization: str,
    unit: str,
    email: str,
    password: str,
    before_commit: Callable[[Bootstrapped], None] = _do_nothing,
) -> Bootstrapped | None:
    """Create an organization with one OU, one admin and one credential; None if an organization already exists.

    If `before_commit` raises, nothing is created: the secrets it saves are never missing for an existing organization.
    """
    credential = generate_credential()
    created = Bootstrapped(new_id("org"), new_id("unit"), new_id("om"), credential.client_id, credential.client_secret)
    async with transaction(None) as session:
        await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": BOOTSTRAP_LOCK})
        if await session.scalar(select(func.count()).select_from(Organization)):
            return None
        try:
            check_password(password, email=email, organization=organization)
        except ValueError as error:
            raise CommandError(f"LEADVIBE_ADMIN_PASSWORD {error}. Nothing was created.") from None
        session.add(Organization(org_id=created.org_id, name=organization))
        await session.flush()
        session.add(
            OrgUnit(unit_id=created.unit_id, org_id=created.org_id, name=unit, slug=slug_of(unit), is_default=True)
        )
        await session.flush()
        await _add_admin(session, created, email, await hash_password(password))
        _add_credential(session, created, credential)
        await create_configuration(session, system_scope(created.org_id, created.unit_id))
        before_commit(created)
    return created


async def _add_admin(session: AsyncSession, created: Bootstrapped, email: str, password_hash: str) -> None:
    session.add(
        Member(
            org_member_id=created.org_member_id,
            org_id=created.org_id,
            first_name="First",
            last_name="Admin",
            email=email.strip().lower(),
            password_hash=password_hash,
            role="admin",
        )
    )
    await session.flush()
    session.add(UnitMembership(unit_id=created.unit_id, org_member_id=created.org_member_id, role=Role.OWNER))


def _add_credential(session: AsyncSession, created: Bootstrapped, credential: NewCredential) -> None:
    session.add(
        ApiCredential(
            unit_id=created.unit_id,
            secret_id=new_id("sec"),
            client_id=credential.client_id,
            secret_digest=credential.digest,
            name="First credential",
            created_by=created.org_member_id,
        )
    )
