"""Every table belongs to OUs by its primary key, or is in a list of exceptions with the reason."""

import pytest
from sqlalchemy import Table

from leadvibe.server.tables import METADATA
from support.tenancy import NOT_TENANT, TENANT_TABLES

TABLES = [pytest.param(table, id=name) for name, table in sorted(METADATA.tables.items())]


@pytest.mark.parametrize("table", TABLES)
def test_a_table_belongs_to_ous_or_is_a_listed_exception(table: Table) -> None:
    assert (table.name in TENANT_TABLES) is not (table.name in NOT_TENANT)


@pytest.mark.parametrize("table", TABLES)
def test_the_key_of_a_tenant_table_starts_with_the_unit(table: Table) -> None:
    is_first = next(iter(table.primary_key.columns)).name == "unit_id"
    assert is_first == (table.name in TENANT_TABLES or table.name == "org_units")


@pytest.mark.parametrize("table", TABLES)
def test_a_row_cannot_refer_to_a_row_of_another_unit(table: Table) -> None:
    for constraint in table.foreign_key_constraints:
        if constraint.referred_table.name in TENANT_TABLES:
            pairs = [(element.parent.name, element.column.name) for element in constraint.elements]
            assert ("unit_id", "unit_id") in pairs


def test_the_exceptions_are_existing_tables() -> None:
    assert NOT_TENANT.keys() <= METADATA.tables.keys()
