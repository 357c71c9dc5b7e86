"""The first organization of a new server, with everything somebody needs to enter it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.access.credentials.verification import NewCredential, make_credential
from leadvibe.access.models import ApiCredential, Member, Organization
from leadvibe.access.sign_in.passwords import hash_password
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


def _nowhere(_founded: Bootstrapped) -> None:
    """Keep nothing."""


async def bootstrap(
    *, organization: str, unit: str, email: str, password: str, keep: Callable[[Bootstrapped], None] = _nowhere
) -> Bootstrapped | None:
    """Found the organization with one OU, one admin and one credential; None where there is one already.

    `keep` is called before the commit: what it stores is never missing for an organization that exists.
    """
    credential = make_credential()
    founded = Bootstrapped(new_id("org"), new_id("unit"), new_id("om"), credential.client_id, credential.client_secret)
    async with transaction(None) as session:
        await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": BOOTSTRAP_LOCK})
        if await session.scalar(select(func.count()).select_from(Organization)):
            return None
        session.add(Organization(org_id=founded.org_id, name=organization))
        await session.flush()
        session.add(
            OrgUnit(unit_id=founded.unit_id, org_id=founded.org_id, name=unit, slug=slug_of(unit), is_default=True)
        )
        await session.flush()
        await _add_admin(session, founded, email, await hash_password(password))
        _add_credential(session, founded, credential)
        await create_configuration(session, system_scope(founded.org_id, founded.unit_id))
        keep(founded)
    return founded


async def _add_admin(session: AsyncSession, founded: Bootstrapped, email: str, hashed: str) -> None:
    session.add(
        Member(
            org_member_id=founded.org_member_id,
            org_id=founded.org_id,
            first_name="First",
            last_name="Admin",
            email=email.strip().lower(),
            password_hash=hashed,
            role="admin",
        )
    )
    await session.flush()
    session.add(UnitMembership(unit_id=founded.unit_id, org_member_id=founded.org_member_id, role=Role.OWNER))


def _add_credential(session: AsyncSession, founded: Bootstrapped, credential: NewCredential) -> None:
    session.add(
        ApiCredential(
            unit_id=founded.unit_id,
            secret_id=new_id("sec"),
            client_id=credential.client_id,
            secret_digest=credential.digest,
            name="First credential",
            created_by=founded.org_member_id,
        )
    )
