"""The deletion of a lead, as the API shows it."""

from typing import Literal

from leadvibe.core.http.schemas import Read


class DeletionStarted(Read):
    message: str
    lead_id: str


class DeletionRead(Read):
    """`completed` means that nothing of the lead is left anywhere."""

    lead_id: str
    status: Literal["queued", "running", "completed", "failed"]
