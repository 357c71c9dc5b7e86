"""Orders: records beside the events, never scored."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from leadvibe.access.dependencies import ANSWERS, OPERATOR, provide
from leadvibe.core.http.paging import Paging, describe_page
from leadvibe.core.http.problems import TooLarge, problems
from leadvibe.leads.metadata import AS_SENT
from leadvibe.orders.repository import OrderRepository, OrderRow
from leadvibe.orders.schemas import OrderFilter, OrderRead, OrderWrite

router = APIRouter(tags=["Orders"], responses=ANSWERS)

Orders = Annotated[OrderRepository, Depends(provide(OrderRepository))]


@router.post(
    "/orders",
    status_code=201,
    response_model=OrderRead,
    dependencies=[OPERATOR, AS_SENT],
    responses={200: {"model": OrderRead, "description": "It replaced the order of this id"}, **problems(TooLarge)},
)
async def store_order(body: OrderWrite, orders: Orders, response: Response) -> OrderRow:
    """Store an order, or replace the one of the same `order_id` as a whole; only its time stays if none is sent.

    Its lead is found by `lead_id` or by `aliases`, as an event's is, and created if nobody is known by them. The order
    shows in the lead's activity and never touches a score.
    """
    stored = await orders.store(body)
    response.status_code = 201 if stored.is_new else 200
    return stored.order


@router.get("/orders", response_model=list[OrderRead])
async def list_orders(
    request: Request, response: Response, orders: Orders, where: Annotated[OrderFilter, Query()], page: Paging
) -> list[OrderRow]:
    """The OU's orders, newest first."""
    found = await orders.list(where, page)
    describe_page(request, response, page, found.total, after=found.end)
    return found.items
