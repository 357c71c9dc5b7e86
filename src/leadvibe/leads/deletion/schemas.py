"""Response bodies of the deletion of a lead."""

from typing import Literal

from leadvibe.core.http.schemas import Read


class DeletionStarted(Read):
    message: str
    lead_id: str


class DeletionRead(Read):
    """`completed` means that no trace of the lead is left."""

    lead_id: str
    status: Literal["queued", "running", "completed", "failed"]
