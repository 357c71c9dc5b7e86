"""The only way to a tenant's rows: a repository, which can't be built without a scope."""

# inspect() of a generic model is untyped.
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false, reportUnknownVariableType=false

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
    """One page of rows and how many there are in all."""

    items: list[M]
    total: int


class Repository(Generic[M]):
    """Confines every query it starts to the scope's OU, and stamps what it creates. It flushes, never commits."""

    model: ClassVar[type[Any]]

    def __init__(self, session: AsyncSession, scope: Scope) -> None:
        self.session = session
        self.scope = scope

    def _select(self) -> Select[M]:
        return select(self.model).where(self.model.unit_id == self.scope.unit_id)

    async def find(self, id_: str) -> M | None:
        """The row of this id (the second column of the primary key), or None."""
        key = inspect(self.model).primary_key[1]
        return await self.session.scalar(self._select().where(key == id_))

    async def get(self, id_: str) -> M:
        row = await self.find(id_)
        if row is None:
            raise NotFound
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
                flag_modified(row, name)  # to Python, and so to SQLAlchemy, [1] and [true] are the same
        if values and isinstance(row, Authored):
            row.updated_by = self.scope.actor.id
        await self.session.flush()
        return row

    async def delete(self, row: M) -> None:
        await self.session.delete(row)
        await self.session.flush()
