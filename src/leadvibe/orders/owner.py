"""Whose an order is: its lead is found, or made, as that of an event with the same names would be."""

from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.db import raw
from leadvibe.core.ids import new_uuid
from leadvibe.core.scope import Scope
from leadvibe.counts.keeping import Tally, keep
from leadvibe.events.inbox import encode, route_of
from leadvibe.events.validation import SentAlias, SentEvent, accept
from leadvibe.orders.schemas import OrderWrite
from leadvibe.scoring.acting import clock
from leadvibe.scoring.claim import Waiting
from leadvibe.scoring.identify import Identity, LeadKey, StartOver, identify


async def hold_owner(session: AsyncSession, scope: Scope, order: OrderWrite) -> Identity:
    """The order's lead, locked until this transaction ends; its aliases are attached to it."""
    aliases = [SentAlias(alias.alias_kind, alias.raw_value) for alias in order.aliases or ()]
    names = accept(SentEvent(event_type="order", lead_id=order.lead_id, aliases=aliases))
    redirects: dict[LeadKey, str] = {}
    while True:
        # Received now, so later than any deletion that we may have waited for: it begins a new lead then.
        waiting = Waiting(
            route_of(scope.unit_id, names), new_uuid(), scope.unit_id, await clock(session), encode(names)
        )
        try:
            # What was locked and written for nothing goes with the savepoint.
            async with session.begin_nested():
                identified = await identify(await raw(session), [waiting], redirects)
        except StartOver as change:
            redirects |= change.redirects
        else:
            (((_, lead_id), (owned,)),) = identified.events.items()
            await keep(await raw(session), Tally(leads=identified.new_leads))
            return Identity(lead_id, owned.original_lead_id)
