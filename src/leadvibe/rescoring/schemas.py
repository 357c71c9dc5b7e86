"""The body of a rescore request."""

from pydantic import Field

from leadvibe.core.http.schemas import Write
from leadvibe.identity.identifiers import LeadId


class RescoreCreate(Write):
    """The leads to rescore."""

    lead_ids: list[LeadId] | None = Field(
        default=None, min_length=1, max_length=10_000, description="By default every lead of the OU"
    )
