"""Repositories: all access to tenants' rows goes through them, and they can't be built without a scope."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from sqlalchemy import Select, func, inspect, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.attributes import flag_modified

from leadvibe.core.database.models import Authored, Tenant
from leadvibe.core.http.paging import Page
from leadvibe.core.http.problems import NotFound
from leadvibe.core.scope import Scope

M = TypeVar("M", bound=Tenant)


@dataclass(frozen=True, slots=True)
class Paged(Generic[M]):
    """One page of rows and the total number of rows."""

    items: list[M]
    total: int


class Repository(Generic[M]):
    """Restricts its queries to the scope's OU and sets the OU of the rows it creates. It flushes but never commits."""

    model: ClassVar[type[Any]]
    isolation: ClassVar[str | None] = None
    """The isolation level of the request's transaction, where `provide` builds the repository.

    "REPEATABLE READ" is for several reads that must agree with each other. Plain services may have the attribute too.
    """

    def __init__(self, session: AsyncSession, scope: Scope) -> None:
        self.session = session
        self.scope = scope

    def _select(self) -> Select[M]:
        return select(self.model).where(self.model.unit_id == self.scope.unit_id)

    async def find(self, id_: str) -> M | None:
        """The row with this id (the second column of the primary key), or None."""
        key = inspect(self.model).primary_key[1]
        return await self.session.scalar(self._select().where(key == id_))

    async def get(self, id_: str) -> M:
        row = await self.find(id_)
        if row is None:
            raise NotFound(f"There is no {_noun(self.model)} with this id in the active OU.")
        return row

    async def paginate(self, query: Select[M], page: Page) -> Paged[M]:
        total = await self.session.scalar(select(func.count()).select_from(query.order_by(None).subquery()))
        rows = await self.session.scalars(query.limit(page.limit).offset(page.offset))
        return Paged(list(rows), total or 0)

    async def create(self, values: Mapping[str, Any]) -> M:
        row: M = self.model(**values, unit_id=self.scope.unit_id)
        if isinstance(row, Authored):
            row.created_by = row.updated_by = self.scope.actor.id
        self.session.add(row)
        await self.session.flush()
        return row

    async def update(self, row: M, values: Mapping[str, Any]) -> M:
        for name, value in values.items():
            setattr(row, name, value)
            if isinstance(value, dict | list):
                flag_modified(row, name)  # SQLAlchemy compares by ==, and in Python [1] == [True]
        if values and isinstance(row, Authored):
            row.updated_by = self.scope.actor.id
        await self.session.flush()
        return row

    async def delete(self, row: M) -> None:
        await self.session.delete(row)
        await self.session.flush()


def _noun(model: type[Any]) -> str:
    """`SurgePolicy` → "surge policy"."""
    return re.sub(r"(?<!^)(?=[A-Z])", " ", model.__name__).lower()
