"""Orders of leads."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from leadvibe.access.dependencies import ANSWERS, OPERATOR, provide
from leadvibe.core.http.merged_from import describe_merge
from leadvibe.core.http.paging import Paging, describe_page
from leadvibe.core.http.problems import TooLarge, problems
from leadvibe.ingest.metadata_field import LIMIT_METADATA_FIELD
from leadvibe.orders.repository import OrderRepository, OrderRow
from leadvibe.orders.schemas import OrderFilter, OrderRead, OrderWrite, StoredOrderRead

router = APIRouter(tags=["Orders"], responses=ANSWERS)

Orders = Annotated[OrderRepository, Depends(provide(OrderRepository))]


@router.post(
    "/orders",
    status_code=201,
    response_model=StoredOrderRead,
    dependencies=[OPERATOR, LIMIT_METADATA_FIELD],
    responses={
        200: {
            "model": StoredOrderRead,
            "description": "An order with the same `order_id` was replaced, or it has a later time and stays",
        },
        **problems(TooLarge),
    },
)
async def store_order(body: OrderWrite, orders: Orders, response: Response) -> OrderRow:
    """Create an order, or replace the one with the same `order_id`.

    A replacement overwrites all fields; only the time stays if you send no `timestamp`. If the stored order has a later
    time than your `timestamp`, nothing changes and the answer is the stored order. The lead is found by `lead_id`
    or `aliases`, as for an event, and created if it doesn't exist. An order appears in the lead's activity and never
    changes a score.
    """
    stored = await orders.store(body)
    response.status_code = 201 if stored.is_new else 200
    return stored.order


@router.get("/orders", response_model=list[OrderRead])
async def list_orders(
    request: Request, response: Response, orders: Orders, where: Annotated[OrderFilter, Query()], page: Paging
) -> list[OrderRow]:
    """List the orders of the OU, newest first."""
    found = await orders.list(where, page)
    describe_page(request, response, page, found.total, after=found.next_cursor)
    describe_merge(response, found.merged_from)
    return found.items
