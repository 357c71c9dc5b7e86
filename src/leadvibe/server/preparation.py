"""What a database needs before API and worker can use it: the schema, and somebody whom they may let in."""

import secrets

from leadvibe.config import Settings
from leadvibe.core.database.migrations import migrate
from leadvibe.core.database.transactions import opened_database
from leadvibe.server.bootstrap import Bootstrapped, bootstrap
from leadvibe.server.first_start import FirstStart, save


async def prepare(settings: Settings, public_url: str) -> FirstStart | None:
    """Bring the schema up to date, and found an organization where there is none."""
    await migrate(settings.database_url or "")
    return await bootstrap_if_empty(settings, public_url)


async def bootstrap_if_empty(settings: Settings, public_url: str) -> FirstStart | None:
    """Found one organization, one OU, its admin and a credential; None where there is an organization already."""
    email = settings.admin_email or "admin@example.com"
    given = settings.admin_password.get_secret_value() if settings.admin_password is not None else ""
    password = given or secrets.token_urlsafe(12)

    def first_start(founded: Bootstrapped) -> FirstStart:
        return FirstStart(
            public_url, email, password, founded.client_id, founded.client_secret, founded.org_id, founded.unit_id
        )

    async with opened_database(settings.database_url, pool_size=1):
        founded = await bootstrap(
            organization=settings.organization_name or "My organization",
            unit=settings.unit_name or "Default",
            email=email,
            password=password,
            # Before the commit: a crash in between leaves notes to write anew, never secrets that are lost.
            keep=lambda founded: save(settings.data_dir, first_start(founded)),
        )
    return first_start(founded) if founded is not None else None
