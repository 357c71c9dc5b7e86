"""Which tables belong to OUs, and which statements may touch them without naming one."""

import re
from dataclasses import dataclass

from leadvibe.core.database.models import Tenant
from leadvibe.server.tables import Base
from support.confinement import unconfined

TENANT_TABLES = frozenset(
    str(mapper.local_table) for mapper in Base.registry.mappers if issubclass(mapper.class_, Tenant)
)

NOT_TENANT = {
    "organizations": "the tenant's own parent: found by the caller's organization",
    "org_units": "the OU itself: its id is the key",
    "members": "people belong to an organization and may enter several OUs",
    "personal_tokens": "belong to a member",
    "refresh_tokens": "belong to a member's sign-in",
    "inbox": "workers claim across OUs by route; nothing else reads it",
}
"""Tables whose key doesn't start with an OU, each with its reason."""


@dataclass(frozen=True)
class Exemption:
    """Statements that have to look across OUs."""

    tables: frozenset[str]
    pattern: re.Pattern[str]
    reason: str


def _exempt(tables: str, pattern: str, reason: str) -> Exemption:
    named = TENANT_TABLES if tables == "any" else frozenset(tables.split())
    return Exemption(named, re.compile(pattern, re.IGNORECASE | re.DOTALL), reason)


EXEMPTIONS = (
    _exempt("any", r'^SELECT ("\w+", )*"\w+" FROM "\w+" LIMIT 1$', "asyncpg asks for types before COPY: never run"),
    _exempt(
        "api_credentials",
        r"^\s*SELECT .*WHERE .*client_id = ",
        "a credential tells its OU: authentication can't know it before",
    ),
    _exempt("unit_memberships", r"^\s*SELECT .*org_member_id = ", "which OUs a member may enter"),
    _exempt(
        "leads", r"^\s*SELECT .*WHERE next_decay_at <= clock_timestamp\(\)", "the decay tick asks who is due in any OU"
    ),
    _exempt(
        "lead_import_files jobs", r"^\s*DELETE FROM lead_import_files .*expires_at <", "expired files of every OU go"
    ),
    _exempt("stream_frames", r"^\s*DELETE .*created_at <", "old frames of every OU go"),
)


def offences(statement: str) -> list[str]:
    """The tenant tables that the statement touches without an OU and without leave."""
    return [
        table
        for table in unconfined(statement, TENANT_TABLES)
        if not any(table in exemption.tables and exemption.pattern.search(statement) for exemption in EXEMPTIONS)
    ]


class Confinement:
    """Checks every statement that the program sends, and collects those that are not confined to an OU."""

    def __init__(self) -> None:
        self._known: dict[str, list[str]] = {}
        self._heard: list[str] = []

    def hear(self, statement: str) -> None:
        if statement not in self._known:
            self._known[statement] = offences(statement)
        if self._known[statement]:
            self._heard.append(statement)

    def forget(self) -> None:
        self._heard.clear()

    def check(self) -> None:
        """Fail if any statement since `forget` touched a tenant table without its OU, or could not be parsed."""
        found = {f"{', '.join(self._known[heard])} without unit_id in: {heard}" for heard in self._heard}
        self.forget()
        assert not found, "\n".join(sorted(found))
