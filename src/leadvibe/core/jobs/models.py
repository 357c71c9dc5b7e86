"""Background jobs that clients can track."""

from sqlalchemy import text
from sqlalchemy.orm import Mapped, mapped_column

from leadvibe.core.database.models import Base, Big, Id, Json, OfUnit, Timestamps


class Job(Base, OfUnit, Timestamps):
    __tablename__ = "jobs"

    job_id: Mapped[Id] = mapped_column(primary_key=True)
    kind: Mapped[str]
    status: Mapped[str] = mapped_column(server_default=text("'queued'"))
    """queued, running, completed or failed."""
    parameters: Mapped[Json] = mapped_column(server_default=text("'{}'::jsonb"))
    done: Mapped[Big] = mapped_column(server_default=text("0"))
    total: Mapped[Big | None]
    cursor: Mapped[str | None]
    """Where an interrupted job resumes."""
    result: Mapped[Json | None]
    error: Mapped[str | None]

    @property
    def progress(self) -> dict[str, int | None]:
        return {"done": self.done, "total": self.total}
