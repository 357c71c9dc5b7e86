"""Lists the events that could not be processed, and retries them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import delete, text

from leadvibe.core.database.repository import Repository
from leadvibe.core.http.paging import Page
from leadvibe.core.http.problems import NotFound
from leadvibe.core.ids import read
from leadvibe.core.instants import from_micros
from leadvibe.events.models import FailedEvent
from leadvibe.ingest.inbox import INBOX_CHANNEL, decode
from leadvibe.ingest.models import InboxEvent


@dataclass(frozen=True, slots=True)
class Alias:
    alias_kind: str
    raw_value: str


@dataclass(frozen=True, slots=True)
class FailedEventContent:
    """The decoded body."""

    event_type: str
    lead_id: str | None
    aliases: list[Alias]
    timestamp: datetime | None
    metadata: dict[str, Any]
    idempotency_key: str | None
    skip_triggers: bool


@dataclass(frozen=True, slots=True)
class FailedEventRow:
    id: UUID
    event_id: UUID
    unit_id: str
    received_at: datetime
    failed_at: datetime
    error: str
    event: FailedEventContent | None


@dataclass(frozen=True, slots=True)
class FailedPage:
    items: list[FailedEventRow]
    total: int


@dataclass(frozen=True, slots=True)
class Retry:
    message: str
    event_id: UUID


class FailedEventRepository(Repository[FailedEvent]):
    model = FailedEvent

    async def list(self, page: Page) -> FailedPage:
        """A page of failed events, newest first."""
        newest_first = self._select().order_by(FailedEvent.failed_at.desc(), FailedEvent.event_id.desc())
        rows = await self.paginate(newest_first, page)
        return FailedPage([_row(row) for row in rows.items], rows.total)

    async def retry(self, event_id: str) -> Retry:
        """Move a failed event back to the inbox."""
        deleted = await self.session.execute(
            delete(FailedEvent)
            .where(FailedEvent.unit_id == self.scope.unit_id, FailedEvent.event_id == read("ev", event_id))
            .returning(FailedEvent.route, FailedEvent.event_id, FailedEvent.received_at, FailedEvent.body)
        )
        row = deleted.one_or_none()
        if row is None:
            raise NotFound("There is no failed event with this id in the active OU.")
        self.session.add(
            InboxEvent(
                route=row.route,
                event_id=row.event_id,
                unit_id=self.scope.unit_id,
                received_at=row.received_at,
                body=row.body,
            )
        )
        await self.session.flush()
        await self.session.execute(text(f"NOTIFY {INBOX_CHANNEL}"))
        return Retry("event queued", row.event_id)


def _row(row: FailedEvent) -> FailedEventRow:
    return FailedEventRow(
        id=row.event_id,
        event_id=row.event_id,
        unit_id=row.unit_id,
        received_at=row.received_at,
        failed_at=row.failed_at,
        error=row.error,
        event=_content(row.body),
    )


def _content(body: bytes) -> FailedEventContent | None:
    """The content of an event, or None if the body can't be decoded."""
    try:
        event = decode(body)
        return FailedEventContent(
            event_type=event.event_type,
            lead_id=event.lead_id,
            aliases=[Alias(alias.kind, alias.raw_value) for alias in event.aliases],
            timestamp=None if event.timestamp is None else from_micros(event.timestamp),
            metadata=msgspec.json.decode(event.metadata),
            idempotency_key=event.idempotency_key,
            skip_triggers=event.skip_triggers,
        )
    except (msgspec.DecodeError, UnicodeDecodeError, OverflowError):
        return None
