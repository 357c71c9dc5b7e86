"""Sessions: runs of activity without a pause longer than the timeout."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from leadvibe.engine.facts import Event
from leadvibe.engine.instants import Instant


@dataclass(frozen=True, slots=True)
class Session:
    """A session. Its id is that of its first event."""

    id: UUID
    start: Instant
    end: Instant
    first_type: str
    last_type: str
    count: int
    channel: str
    """The channel of the first event."""

    def dump(self) -> list[bytes | int | str]:
        return [self.id.bytes, self.start, self.end, self.first_type, self.last_type, self.count, self.channel]

    @classmethod
    def load(cls, primitives: Sequence[Any]) -> "Session":
        id_bytes, *rest = primitives
        return cls(UUID(bytes=id_bytes), *rest)


@dataclass(slots=True)
class OpenSession:
    """The mutable form of a session that may still be extended."""

    id: UUID
    start: Instant
    end: Instant
    first_type: str
    last_type: str
    count: int
    channel: str

    @classmethod
    def resumed(cls, session: Session) -> "OpenSession":
        return cls(
            session.id,
            session.start,
            session.end,
            session.first_type,
            session.last_type,
            session.count,
            session.channel,
        )

    @classmethod
    def opened(cls, event: Event) -> "OpenSession":
        return cls(event.id, event.at, event.at, event.type, event.type, 1, event.channel)

    def add(self, event: Event) -> None:
        self.end = event.at
        self.last_type = event.type
        self.count += 1

    def frozen(self) -> Session:
        return Session(self.id, self.start, self.end, self.first_type, self.last_type, self.count, self.channel)
