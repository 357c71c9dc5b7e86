"""Stores orders, and lists those of an OU or a lead, newest first."""

# SQLAlchemy types the columns of this INSERT … RETURNING as unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, and_, func, literal_column, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from leadvibe.core.database.repository import Repository
from leadvibe.core.http.paging import Page
from leadvibe.core.ranges import TimeSpan
from leadvibe.identity.leads import following_merge
from leadvibe.orders.models import Order
from leadvibe.orders.owner import lock_owner
from leadvibe.orders.schemas import OrderCursor, OrderFilter, OrderWrite


@dataclass(frozen=True, slots=True)
class OrderRow:
    org_id: str
    unit_id: str
    order_id: str
    lead_id: str
    amount: Decimal
    currency: str
    status: str | None
    occurred_at: datetime
    metadata: dict[str, Any]
    original_lead_id: str | None
    created_at: datetime
    updated_at: datetime
    type: Literal["order"] = "order"
    warnings: Sequence[str] = ()


COLUMNS = (
    Order.order_id,
    Order.lead_id,
    Order.amount,
    Order.currency,
    Order.status,
    Order.occurred_at,
    Order.attributes.label("metadata"),
    Order.original_lead_id,
    Order.created_at,
    Order.updated_at,
)
NEWEST_FIRST = (Order.occurred_at.desc(), Order.order_id.desc())


@dataclass(frozen=True, slots=True)
class StoredOrder:
    order: OrderRow
    is_new: bool


@dataclass(frozen=True, slots=True)
class OrderPage:
    items: list[OrderRow]
    total: int
    next_cursor: OrderCursor | None
    """Where the next page starts; None on the last page."""
    merged_from: str | None
    """The lead that was asked for, if it was merged into the one whose orders these are."""


class OrderRepository(Repository[Order]):
    model = Order

    async def store(self, order: OrderWrite) -> StoredOrder:
        """Create or replace an order under the lock of its lead, so that a concurrent merge or deletion includes it.

        If the stored order has a later time, nothing changes.
        """
        if order.timestamp is not None:
            stored = (await self.session.execute(self._by_id(order.order_id))).mappings().one_or_none()
            if stored is not None and stored["occurred_at"] > order.timestamp:
                return StoredOrder(self._row({**stored, "warnings": []}), is_new=False)
        owner, warnings = await lock_owner(self.session, self.scope, order)
        now = func.clock_timestamp()
        values = {
            "lead_id": owner.lead_id,
            "amount": Decimal(order.amount),
            "currency": order.currency,
            "status": order.status,
            "metadata": order.metadata,
            "original_lead_id": owner.original_lead_id,
        }
        new = insert(Order).values(
            unit_id=self.scope.unit_id,
            order_id=order.order_id,
            occurred_at=now if order.timestamp is None else order.timestamp,
            **values,
        )
        occurred_at = Order.occurred_at if order.timestamp is None else order.timestamp
        upsert = new.on_conflict_do_update(
            index_elements=["unit_id", "order_id"],
            set_={**values, "occurred_at": occurred_at, "updated_at": now},
            where=None if order.timestamp is None else Order.occurred_at <= order.timestamp,
        )
        # ON CONFLICT locks the row that it updates, which sets xmax; an inserted row has none.
        is_new = literal_column("orders.xmax = 0").label("is_new")
        written = (await self.session.execute(upsert.returning(*COLUMNS, is_new))).mappings().one_or_none()
        if written is None:  # a later order was stored since the check
            later = (await self.session.execute(self._by_id(order.order_id))).mappings().one()
            return StoredOrder(self._row({**later, "warnings": warnings}), is_new=False)
        columns = dict(written)
        return StoredOrder(is_new=columns.pop("is_new"), order=self._row(columns | {"warnings": warnings}))

    def _by_id(self, order_id: str) -> Select[*tuple[Any, ...]]:
        return select(*COLUMNS).where(Order.unit_id == self.scope.unit_id, Order.order_id == order_id)

    async def list(self, where: OrderFilter, page: Page) -> OrderPage:
        where, merged_from = await following_merge(self.session, self.scope, where)
        in_list = and_(Order.unit_id == self.scope.unit_id, *_conditions(where))
        query = select(*COLUMNS).where(in_list).order_by(*NEWEST_FIRST)
        if where.start is not None:
            query = query.where(tuple_(Order.occurred_at, Order.order_id) < where.start)
        else:
            query = query.offset(page.offset)
        rows = (await self.session.execute(query.limit(page.limit + 1))).mappings().all()
        total = await self.session.scalar(select(func.count()).select_from(Order).where(in_list))
        items = [self._row(row) for row in rows[: page.limit]]
        next_cursor = OrderCursor(items[-1].occurred_at, items[-1].order_id) if len(rows) > page.limit else None
        return OrderPage(items, total or 0, next_cursor, merged_from)

    async def of(self, lead_id: str, window: TimeSpan, limit: int) -> Sequence[OrderRow]:
        """The newest orders of a lead in a window of time."""
        query = select(*COLUMNS).where(Order.unit_id == self.scope.unit_id, Order.lead_id == lead_id, *_within(window))
        rows = (await self.session.execute(query.order_by(*NEWEST_FIRST).limit(limit))).mappings()
        return [self._row(row) for row in rows]

    def _row(self, columns: Mapping[Any, Any]) -> OrderRow:
        return OrderRow(org_id=self.scope.org_id, unit_id=self.scope.unit_id, **columns)


def _conditions(where: OrderFilter) -> Iterator[ColumnElement[bool]]:
    if where.lead_id is not None:
        yield Order.lead_id == where.lead_id
    if where.status is not None:
        yield Order.status == where.status
    yield from _within(where.range.window(datetime.now(UTC)))


def _within(window: TimeSpan) -> Iterator[ColumnElement[bool]]:
    if window.since is not None:
        yield Order.occurred_at >= window.since
    if window.until is not None:
        yield Order.occurred_at < window.until
    elif window.since is not None:
        # Unlike events, orders may lie in the future. Compared by the database's clock, which also dates new orders:
        # the server's clock may be behind it and would then exclude the newest.
        yield Order.occurred_at <= func.statement_timestamp()
