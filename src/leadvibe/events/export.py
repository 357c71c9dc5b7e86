"""An OU's events as CSV, slice by slice: neither the log nor a snapshot of it is ever held as a whole."""

import csv
import io
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Row, select, tuple_

from leadvibe.core.database.transactions import transaction
from leadvibe.core.ids import show
from leadvibe.core.instants import show_instant
from leadvibe.core.scope import Scope
from leadvibe.events.models import Event
from leadvibe.events.repository import conditions
from leadvibe.events.schemas import Cursor, EventFilter

SLICE: Final = 5_000
COLUMNS: Final = ("id", "lead_id", "event_type", "timestamp")

Rows = Sequence[Row[*tuple[Any, ...]]]


class EventExport:
    """Takes a short transaction for each slice: a long one would keep the database from cleaning up behind workers."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    async def pieces(self, where: EventFilter) -> AsyncGenerator[str]:
        """The file, newest first; its beginning is read before this returns, so that what fails there is answered."""
        # A range of time is one and the same for all slices.
        narrowed = [Event.unit_id == self.scope.unit_id, *conditions(where, datetime.now(UTC))]
        first = await self._slice(narrowed, where.start)
        return self._continue(narrowed, first)

    async def _continue(self, narrowed: Sequence[Any], rows: Rows) -> AsyncGenerator[str]:
        yield _lines([COLUMNS])
        while rows:
            yield _lines((show("ev", row[0]), row[1], row[2], show_instant(row[3])) for row in rows)
            last = Cursor(rows[-1][3], rows[-1][0])
            rows = await self._slice(narrowed, last) if len(rows) == SLICE else ()

    async def _slice(self, narrowed: Sequence[Any], after: Cursor | None) -> Rows:
        query = select(Event.event_id, Event.lead_id, Event.event_type, Event.occurred_at).where(*narrowed)
        if after is not None:
            query = query.where(tuple_(Event.occurred_at, Event.event_id) < after)
        async with transaction(self.scope) as session:
            ordered = query.order_by(Event.occurred_at.desc(), Event.event_id.desc())
            return (await session.execute(ordered.limit(SLICE))).all()


def _lines(rows: Any) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows(rows)
    return written.getvalue()
