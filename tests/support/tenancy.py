"""Lists the tables that belong to OUs, and the statements that may touch them without naming an OU."""

import re
from dataclasses import dataclass

from leadvibe.core.database.models import Tenant
from leadvibe.server.tables import Base
from support.confinement import unconfined
from support.volatility import volatile_conditions

TENANT_TABLES = frozenset(
    str(mapper.local_table) for mapper in Base.registry.mappers if issubclass(mapper.class_, Tenant)
)

NOT_TENANT = {
    "organizations": "the parent of OUs: found by the caller's organization",
    "org_units": "the OUs themselves: the OU's id is the key",
    "members": "belong to an organization and can be members of several OUs",
    "personal_tokens": "belong to a member",
    "sign_ins": "belong to a member",
    "refresh_tokens": "belong to a member's sign-in",
    "inbox": "workers claim events of all OUs by route; nothing else reads it",
}
"""Tables whose primary key doesn't start with an OU, each with the reason."""


@dataclass(frozen=True)
class Exemption:
    """Statements that may touch tables without naming an OU."""

    tables: frozenset[str]
    pattern: re.Pattern[str]
    reason: str


def _exempt(tables: str, pattern: str, reason: str) -> Exemption:
    named = TENANT_TABLES if tables == "any" else frozenset(tables.split())
    return Exemption(named, re.compile(pattern, re.IGNORECASE | re.DOTALL), reason)


EXEMPTIONS = (
    _exempt(
        "any",
        r'^SELECT ("\w+", )*"\w+" FROM "\w+" LIMIT 1$',
        "asyncpg prepares it before COPY, never runs it",
    ),
    _exempt(
        "api_credentials",
        r"^\s*SELECT .*WHERE .*client_id = ",
        "authentication learns the OU from the credential",
    ),
    _exempt("unit_memberships", r"^\s*SELECT .*org_member_id = ", "lists the OUs of a member"),
    _exempt(
        "leads",
        r"^\s*(EXPLAIN \(FORMAT JSON\)\s+)?SELECT .*WHERE next_decay_at <= statement_timestamp\(\)",
        "finds due leads of all OUs",
    ),
    _exempt(
        "lead_import_files jobs",
        r"^\s*DELETE FROM lead_import_files .*expires_at <",
        "deletes expired files",
    ),
    _exempt(
        "ingest_requests",
        r"^\s*(EXPLAIN \(FORMAT JSON\)\s+)?UPDATE .*created_at <",
        "deletes old answers of all OUs",
    ),
    _exempt("stream_frames", r"^\s*DELETE .*created_at <", "deletes old frames of all OUs"),
)


def violations(statement: str) -> list[str]:
    """The tenant tables that the statement touches without an OU and without an exemption."""
    return [
        table
        for table in unconfined(statement, TENANT_TABLES)
        if not any(table in exemption.tables and exemption.pattern.search(statement) for exemption in EXEMPTIONS)
    ]


VOLATILE_CONDITIONS = {
    "pg_try_advisory_xact_lock": "the claim of routes tests it row by row on a materialized list",
}
"""Volatile functions that may stand in a condition, each with the reason."""


class Confinement:
    """Checks every statement that the program sends.

    Collects those that are not confined to an OU, and those whose conditions call volatile functions.
    """

    def __init__(self) -> None:
        self._violations: dict[str, list[str]] = {}
        """By statement: tests repeat the same statements thousands of times, and parsing takes milliseconds."""
        self._violating: list[str] = []

    def check_statement(self, statement: str) -> None:
        if statement not in self._violations:
            self._violations[statement] = [
                *(f"{table} without unit_id" for table in violations(statement)),
                *(
                    f"{function}() in a condition"
                    for function in volatile_conditions(statement)
                    if function not in VOLATILE_CONDITIONS
                ),
            ]
        if self._violations[statement]:
            self._violating.append(statement)

    def forget(self) -> None:
        self._violating.clear()

    def check(self) -> None:
        """Fail if any statement since `forget` broke a rule, or touched a tenant table and could not be parsed."""
        messages = {f"{', '.join(self._violations[each])} in: {each}" for each in self._violating}
        self.forget()
        assert not messages, "\n".join(sorted(messages))
