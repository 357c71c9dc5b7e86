"""Events that were accepted and are not processed yet."""

from uuid import UUID

from sqlalchemy import SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from leadvibe.core.database.models import Base, Blob, Id, Instant


class InboxEvent(Base):
    """An event that was accepted and isn't processed yet: the row's presence is its state."""

    __tablename__ = "inbox"
    # Workers claim across OUs by route, so the route leads the key.
    __table_args__ = (
        {
            "postgresql_with": {
                "autovacuum_vacuum_scale_factor": "0",
                "autovacuum_vacuum_threshold": "20000",
                "autovacuum_vacuum_cost_delay": "0",
            }
        },
    )

    route: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    unit_id: Mapped[Id]
    received_at: Mapped[Instant] = mapped_column(server_default=text("clock_timestamp()"))
    body: Mapped[Blob]
