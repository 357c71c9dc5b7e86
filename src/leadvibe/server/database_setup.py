"""Sets up a database: the schema, and the first organization with an admin and a credential."""

import secrets

from leadvibe.config import Settings
from leadvibe.core.database.migrations import migrate
from leadvibe.core.database.transactions import opened_database
from leadvibe.server.bootstrap import Bootstrapped, bootstrap
from leadvibe.server.first_start import FirstStart, save


async def set_up(settings: Settings, public_url: str) -> FirstStart | None:
    """Migrate the schema, and create the first organization if there is none."""
    await migrate(settings.database_url or "")
    return await bootstrap_if_empty(settings, public_url)


async def bootstrap_if_empty(settings: Settings, public_url: str) -> FirstStart | None:
    """Create the first organization and save the first-start file; None if an organization already exists."""
    email = settings.admin_email or "admin@example.com"
    configured = settings.admin_password.get_secret_value() if settings.admin_password is not None else ""
    password = configured or secrets.token_urlsafe(12)

    def first_start(created: Bootstrapped) -> FirstStart:
        return FirstStart(
            public_url, email, password, created.client_id, created.client_secret, created.org_id, created.unit_id
        )

    async with opened_database(settings.database_url, pool_size=1):
        created = await bootstrap(
            organization=settings.organization_name or "My organization",
            unit=settings.unit_name or "Default",
            email=email,
            password=password,
            # If the server dies before the commit, the next start replaces the file. After it, secrets would be lost.
            before_commit=lambda created: save(settings.data_dir, first_start(created)),
        )
    return first_start(created) if created is not None else None
