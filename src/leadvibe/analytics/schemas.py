"""Who leads and who gains, as the API shows them."""

from typing import Literal

from pydantic import Field, computed_field

from leadvibe.core.ranges import Range
from leadvibe.core.schemas import Read, Time, Write

FEW = 10
MOST = 500


class TopLeadRead(Read):
    lead_id: str
    score: int
    last_event_at: Time | None


class ScoreGainRead(TopLeadRead):
    """`score_gain` is the score now, less what it was when the range began."""

    score_gain: int

    @computed_field
    @property
    def delta(self) -> int:
        return self.score_gain


class TopQuery(Write):
    limit: int = Field(default=FEW, ge=1, le=MOST, description="How many leads at most")


class GainsQuery(TopQuery):
    range: Literal[Range.ALL, Range.TODAY, Range.LAST_24H, Range.LAST_7D, Range.LAST_30D, Range.LAST_90D] = (
        Range.LAST_7D
    )
