"""An OU's orders, newest first."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

from sqlalchemy import ColumnElement, and_, func, literal_column, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from leadvibe.core.database.repository import Repository
from leadvibe.core.http.paging import Page
from leadvibe.core.ranges import TimeSpan
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


COLUMNS = (
    Order.order_id,
    Order.lead_id,
    Order.amount,
    Order.currency,
    Order.status,
    Order.occurred_at,
    Order.attributes,
    Order.original_lead_id,
    Order.created_at,
    Order.updated_at,
)
NEWEST_FIRST = (Order.occurred_at.desc(), Order.order_id.desc())


@dataclass(frozen=True, slots=True)
class Stored:
    order: OrderRow
    is_new: bool


@dataclass(frozen=True, slots=True)
class OrderPage:
    items: list[OrderRow]
    total: int
    end: OrderCursor | None
    """Where the next page goes on, if there is one."""


class OrderRepository(Repository[Order]):
    model = Order

    async def store(self, order: OrderWrite) -> Stored:
        """Under the lead's lock, so that no merge or deletion passes it by; orders' rows are locked after leads'."""
        owner = await lock_owner(self.session, self.scope, order)
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
        kept = Order.occurred_at if order.timestamp is None else order.timestamp
        stored = new.on_conflict_do_update(
            index_elements=["unit_id", "order_id"], set_={**values, "occurred_at": kept, "updated_at": now}
        )
        # Only a row that replaced another one has locked it.
        query = stored.returning(*COLUMNS, literal_column("orders.xmax = 0"))
        row = tuple[Any, ...]((await self.session.execute(query)).one())
        return Stored(OrderRow(self.scope.org_id, self.scope.unit_id, *row[:-1]), is_new=row[-1])

    async def list(self, where: OrderFilter, page: Page) -> OrderPage:
        confined = and_(Order.unit_id == self.scope.unit_id, *_conditions(where))
        query = select(*COLUMNS).where(confined).order_by(*NEWEST_FIRST)
        if where.start is not None:
            query = query.where(tuple_(Order.occurred_at, Order.order_id) < where.start)
        else:
            query = query.offset(page.offset)
        rows = (await self.session.execute(query.limit(page.limit + 1))).all()
        total = await self.session.scalar(select(func.count()).select_from(Order).where(confined))
        items = [OrderRow(self.scope.org_id, self.scope.unit_id, *row) for row in rows[: page.limit]]
        end = OrderCursor(items[-1].occurred_at, items[-1].order_id) if len(rows) > page.limit else None
        return OrderPage(items, total or 0, end)

    async def of(self, lead_id: str, window: TimeSpan, limit: int) -> Sequence[OrderRow]:
        """A lead's newest in a window of time."""
        query = select(*COLUMNS).where(Order.unit_id == self.scope.unit_id, Order.lead_id == lead_id, *_within(window))
        rows = await self.session.execute(query.order_by(*NEWEST_FIRST).limit(limit))
        return [OrderRow(self.scope.org_id, self.scope.unit_id, *row) for row in rows]


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
        # Unlike an event, an order may be of the future. By the clock that says when orders are made: another one's
        # past may not reach the newest.
        yield Order.occurred_at <= func.statement_timestamp()
