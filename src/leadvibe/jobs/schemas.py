"""What a client sees of a background job."""

from typing import Any, Literal

from leadvibe.core.http.schemas import Read, Time


class ProgressRead(Read):
    done: int
    total: int | None  # null until it is known


class JobRead(Read):
    job_id: str
    kind: str
    status: Literal["queued", "running", "completed", "failed"]
    progress: ProgressRead
    result: Any
    error: str | None
    created_at: Time
    updated_at: Time
