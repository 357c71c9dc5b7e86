"""Request and response bodies of the watch list."""

from typing import Annotated, ClassVar

from pydantic import Field

from leadvibe.core.http.schemas import Line, PlainText, Read, Time, Write


class WatchedLeadRead(Read):
    """`score_change` is the current score minus the score when you added the lead."""

    watch_id: str
    lead_id: str
    score: int
    score_change: int
    prediction: str | None
    prediction_notes: str | None
    watched_at: Time
    outcome: str
    outcome_at: Time | None


class WatchCreate(Write):
    """Your expectation of the lead, in your own words."""

    shown_as: ClassVar[type[Read] | None] = WatchedLeadRead

    prediction: Line | None = Field(default=None, description="A short label, such as `will_convert`")
    prediction_notes: Annotated[PlainText, Field(max_length=2_000)] | None = None


class WatchCreated(Read):
    watch_id: str
    lead_id: str
    message: str


class WatchedLeads(Read):
    watched_leads: list[WatchedLeadRead]
