"""Request and response bodies of orders, and the filter of their list."""

import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, Field, PlainSerializer, computed_field

from leadvibe.core.http.schemas import Line, PlainText, Read, Time, Write, check_plain, parsable_by
from leadvibe.core.instants import from_micros, micros
from leadvibe.core.ranges import Range
from leadvibe.identity.aliases import AliasKind
from leadvibe.identity.identifiers import LeadId, NewLeadId, OrderId
from leadvibe.ingest.metadata_field import Metadata
from leadvibe.ingest.schemas import MAX_ALIASES

_AMOUNT = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,6})?", re.ASCII)


def _check_amount(text: str) -> str:
    if _AMOUNT.fullmatch(text) is None:
        raise ValueError("must be a string with a decimal number, such as 49.90, of at most 15 digits and 6 decimals")
    return text


Amount = Annotated[
    str,
    AfterValidator(_check_amount),
    Field(
        description="A decimal number as a string, such as `49.90`; negative for a refund",
        json_schema_extra={"pattern": f"^{_AMOUNT.pattern}$"},
    ),
]
Currency = Annotated[
    str, Field(pattern=r"^[A-Za-z]{3}$", description="An ISO 4217 code, such as `EUR`"), AfterValidator(str.upper)
]


class OrderRead(Read):
    type: Literal["order"]
    order_id: str
    org_id: str
    unit_id: str
    lead_id: str
    amount: Annotated[Decimal, PlainSerializer(lambda amount: f"{amount:f}", return_type=str)]
    currency: str
    status: str | None
    timestamp: Time = Field(validation_alias="occurred_at")
    metadata: dict[str, Any]
    original_lead_id: str | None
    created_at: Time
    updated_at: Time

    @computed_field
    @property
    def id(self) -> str:
        return self.order_id


class StoredOrderRead(OrderRead):
    warnings: list[str] = Field(description="Aliases that were left out, each with its field")


class OrderAlias(Write):
    alias_kind: AliasKind
    raw_value: Annotated[PlainText, Field(min_length=1, max_length=500)]


class OrderWrite(Write):
    shown_as: ClassVar[type[Read] | None] = StoredOrderRead

    order_id: OrderId
    lead_id: NewLeadId | None = Field(default=None, description="The lead of the order; created if it doesn't exist")
    aliases: list[OrderAlias] | None = Field(
        default=None,
        max_length=MAX_ALIASES,
        description="Identifiers of the lead. Required without `lead_id`; with it, they are attached to that lead",
    )
    amount: Amount
    currency: Currency
    status: Line | None = Field(default=None, description="Your own status, such as `paid`")
    timestamp: Time | None = Field(
        default=None, description="When the order was placed. Default: now, or the stored time if the order is replaced"
    )
    metadata: Metadata = Field(default_factory=dict)


class OrderCursor(NamedTuple):
    """A position in a list, newest first: the next page starts after this order."""

    occurred_at: datetime
    order_id: str

    def __str__(self) -> str:
        return f"{micros(self.occurred_at)}_{self.order_id}"

    @classmethod
    def read(cls, text: str) -> "OrderCursor":
        """Parse the text of an `after` parameter; raises ValueError."""
        instant, _, order_id = check_plain(text).partition("_")
        try:
            return cls(from_micros(int(instant)), order_id)
        except (ValueError, OverflowError):
            raise ValueError("must be copied from the Link header of a page") from None


class OrderFilter(BaseModel):
    lead_id: LeadId | None = None
    status: PlainText | None = None
    range: Range = Field(default=Range.ALL, description="Orders placed in this range of time")
    after: Annotated[str, parsable_by(OrderCursor.read)] | None = Field(
        default=None,
        description="Start after this position, taken from the `Link` header; `page` then only numbers the page",
    )

    @property
    def start(self) -> OrderCursor | None:
        return None if self.after is None else OrderCursor.read(self.after)
