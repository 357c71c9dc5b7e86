"""Every table belongs to OUs by its key, or to nobody's OU for a reason that stands here."""

import pytest
from sqlalchemy import Table

from leadvibe.server.tables import METADATA
from support.tenancy import NOT_TENANT, TENANT_TABLES

TABLES = [pytest.param(table, id=name) for name, table in sorted(METADATA.tables.items())]


@pytest.mark.parametrize("table", TABLES)
def test_a_table_is_tenant_owned_or_on_the_short_list(table: Table) -> None:
    assert (table.name in TENANT_TABLES) is not (table.name in NOT_TENANT)


@pytest.mark.parametrize("table", TABLES)
def test_the_key_of_a_tenant_table_starts_with_the_unit(table: Table) -> None:
    leads_the_key = next(iter(table.primary_key.columns)).name == "unit_id"
    assert leads_the_key == (table.name in TENANT_TABLES or table.name == "org_units")


@pytest.mark.parametrize("table", TABLES)
def test_a_row_cannot_hang_under_another_units_parent(table: Table) -> None:
    for constraint in table.foreign_key_constraints:
        if constraint.referred_table.name in TENANT_TABLES:
            pairs = [(element.parent.name, element.column.name) for element in constraint.elements]
            assert ("unit_id", "unit_id") in pairs


def test_the_short_list_names_only_tables_that_exist() -> None:
    assert NOT_TENANT.keys() <= METADATA.tables.keys()
