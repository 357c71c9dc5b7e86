"""Schemas of background jobs."""

from typing import Any, Literal

from leadvibe.core.http.schemas import Read, Time


class ProgressRead(Read):
    done: int
    total: int | None  # null while it is unknown


class JobRead(Read):
    job_id: str
    kind: str
    status: Literal["queued", "running", "completed", "failed"]
    progress: ProgressRead
    result: Any
    error: str | None
    created_at: Time
    updated_at: Time
