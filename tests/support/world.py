"""The callers of the template database: two organizations, three OUs, and a caller in every role."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from leadvibe.access.authentication.access_tokens import issue_access_token
from leadvibe.access.authentication.passwords import hash_password
from leadvibe.access.models import Member, Organization, SignIn
from leadvibe.core.database.migrations import migrate
from leadvibe.core.database.transactions import close_database, open_database, transaction
from leadvibe.core.ids import new_id
from leadvibe.core.scope import Role, system_scope
from leadvibe.rulesets.versions import create_configuration
from leadvibe.server.bootstrap import bootstrap
from leadvibe.units.models import OrgUnit, UnitMembership
from support.callers import Identity, basic_authorization

PASSWORD = "correct horse battery staple"  # of all members
TOKEN_LIFETIME = timedelta(hours=6)
"""Longer than any test run."""


@dataclass(frozen=True)
class World:
    admin: Identity
    operator: Identity
    viewer: Identity
    credential: Identity
    neighbour: Identity
    stranger: Identity

    @classmethod
    def of(cls, identities: dict[str, Any]) -> "World":
        return cls(**{name: Identity(**identity) for name, identity in identities.items()})


async def create_world(url: str) -> dict[str, Any]:
    """Migrate the database and create everything in `World`."""
    await migrate(url)
    open_database(url)
    try:
        first = await bootstrap(organization="Acme", unit="Sales", email="admin@acme.example", password=PASSWORD)
        assert first is not None
        password_hash = await hash_password(PASSWORD)
        elsewhere = await _unit(first.org_id, "Support")
        other = await _organization("Umbrella")
        home = await _unit(other, "Research", is_default=True)
        world = World(
            admin=await _signed_in(first.org_member_id, first.unit_id),
            operator=await _person(first.unit_id, "operator@acme.example", password_hash, Role.OPERATOR),
            viewer=await _person(first.unit_id, "viewer@acme.example", password_hash, Role.VIEWER),
            credential=Identity(
                org_id=first.org_id,
                unit_id=first.unit_id,
                authorization=basic_authorization(first.client_id, first.client_secret),
                client_id=first.client_id,
                client_secret=first.client_secret,
            ),
            neighbour=await _person(elsewhere, "neighbour@acme.example", password_hash, Role.OWNER),
            stranger=await _person(home, "admin@umbrella.example", password_hash, Role.OWNER, "admin"),
        )
    finally:
        await close_database()
    return asdict(world)


async def _organization(name: str) -> str:
    org_id = new_id("org")
    async with transaction(None) as session:
        session.add(Organization(org_id=org_id, name=name))
    return org_id


async def _unit(org_id: str, name: str, *, is_default: bool = False) -> str:
    unit_id = new_id("unit")
    scope = system_scope(org_id, unit_id)
    async with transaction(scope) as session:
        session.add(OrgUnit(unit_id=unit_id, org_id=org_id, name=name, slug=name.lower(), is_default=is_default))
        await session.flush()
        await create_configuration(session, scope)
    return unit_id


async def _person(unit_id: str, email: str, password_hash: str, unit_role: Role, role: str = "editor") -> Identity:
    member_id = new_id("om")
    async with transaction(None) as session:
        unit = await session.get_one(OrgUnit, unit_id)
        session.add(
            Member(
                org_member_id=member_id,
                org_id=unit.org_id,
                first_name=email.partition("@")[0].title(),
                last_name="Example",
                email=email,
                password_hash=password_hash,
                role=role,
            )
        )
        await session.flush()
        session.add(UnitMembership(unit_id=unit_id, org_member_id=member_id, role=unit_role))
    return await _signed_in(member_id, unit_id)


async def _signed_in(member_id: str, unit_id: str) -> Identity:
    async with transaction(None) as session:
        member = await session.get_one(Member, member_id)
        sign_in_id = new_id("si")
        session.add(
            SignIn(sign_in_id=sign_in_id, org_member_id=member_id, expires_at=datetime.now(UTC) + TOKEN_LIFETIME)
        )
    return Identity(
        org_id=member.org_id,
        unit_id=unit_id,
        authorization=f"Bearer {issue_access_token(member, sign_in_id, TOKEN_LIFETIME)}",
        email=member.email,
        member_id=member_id,
        sign_in_id=sign_in_id,
    )
