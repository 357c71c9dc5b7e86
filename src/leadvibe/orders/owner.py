"""Finds or creates the lead of an order, as for an event with the same identifiers."""

from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.database.clock import database_now
from leadvibe.core.database.transactions import raw
from leadvibe.core.ids import new_uuid
from leadvibe.core.scope import Scope
from leadvibe.counts.counters import CounterChanges, update_counters
from leadvibe.identity.identify import Identified, Identity, UnresolvedEvent, identify
from leadvibe.identity.locks import Redirects, until_stable
from leadvibe.ingest.inbox import AcceptedEvent
from leadvibe.ingest.schemas import SentAlias, SentEvent
from leadvibe.ingest.validation import accept
from leadvibe.orders.schemas import OrderWrite


async def lock_owner(session: AsyncSession, scope: Scope, order: OrderWrite) -> Identity:
    """Lock the order's lead until the transaction ends, and attach the order's aliases to it."""
    aliases = [SentAlias(alias.alias_kind, alias.raw_value) for alias in order.aliases or ()]
    event, _ = accept(SentEvent(event_type="order", lead_id=order.lead_id, aliases=aliases))
    identified = await until_stable(partial(_identify, session, scope, event))
    (identity,) = identified.identities.values()
    await update_counters(await raw(session), CounterChanges(leads=identified.new_leads))
    return identity


async def _identify(session: AsyncSession, scope: Scope, event: AcceptedEvent, redirects: Redirects) -> Identified:
    # A new instant for each attempt, later than any deletion that this transaction waited for: the order then creates
    # a new lead.
    now = await database_now(session)
    unresolved = UnresolvedEvent(scope.unit_id, new_uuid(), now, event.lead_id, event.aliases)
    # The savepoint undoes the locks and rows of an attempt that must be repeated.
    async with session.begin_nested():
        return await identify(await raw(session), [unresolved], redirects)
