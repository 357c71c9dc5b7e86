"""Exports an OU's events as CSV, page by page, without holding all of them in memory or one long snapshot."""

import csv
import io
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Row, select, tuple_

from leadvibe.core.database.transactions import transaction
from leadvibe.core.ids import show
from leadvibe.core.instants import show_instant
from leadvibe.core.scope import Scope
from leadvibe.events.conditions import conditions
from leadvibe.events.models import Event
from leadvibe.events.schemas import Cursor, EventFilter
from leadvibe.identity.leads import following_merge

PAGE_EVENTS: Final = 5_000
COLUMNS: Final = ("id", "lead_id", "event_type", "timestamp")

FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")

Rows = Sequence[Row[*tuple[Any, ...]]]


class EventExport:
    """Reads each page in a short transaction, because a long one keeps the database from removing dead rows."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    async def chunks(self, where: EventFilter, *, raw: bool = False) -> AsyncGenerator[str]:
        """The file, newest first. The first page is read before this returns, so that its errors become a response.

        Unless `raw`, cells that a spreadsheet would run as a formula are prefixed with an apostrophe.
        """
        async with transaction(self.scope) as session:
            where, _ = await following_merge(session, self.scope, where)
        # The range of time is the same for all pages.
        matching = [Event.unit_id == self.scope.unit_id, *conditions(where, datetime.now(UTC))]
        first = await self._page(matching, where.start)
        return self._continue(matching, first, _unchanged if raw else harmless)

    async def _continue(self, matching: Sequence[Any], rows: Rows, cell: Callable[[str], str]) -> AsyncGenerator[str]:
        yield _lines([COLUMNS])
        while rows:
            yield _lines(
                (show("ev", event_id), cell(lead_id), cell(event_type), show_instant(occurred_at))
                for event_id, lead_id, event_type, occurred_at in rows
            )
            last = Cursor(rows[-1].occurred_at, rows[-1].event_id)
            rows = await self._page(matching, last) if len(rows) == PAGE_EVENTS else ()

    async def _page(self, matching: Sequence[Any], after: Cursor | None) -> Rows:
        query = select(Event.event_id, Event.lead_id, Event.event_type, Event.occurred_at).where(*matching)
        if after is not None:
            query = query.where(tuple_(Event.occurred_at, Event.event_id) < after)
        async with transaction(self.scope) as session:
            ordered = query.order_by(Event.occurred_at.desc(), Event.event_id.desc())
            return (await session.execute(ordered.limit(PAGE_EVENTS))).all()


def harmless(text: str) -> str:
    """The text as a cell that a spreadsheet shows and doesn't run as a formula."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def _unchanged(text: str) -> str:
    return text


def _lines(rows: Any) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
