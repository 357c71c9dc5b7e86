"""Engagement rules."""

from typing import Annotated, ClassVar

from pydantic import Field, StrictBool, StrictInt

from leadvibe.core.http.schemas import UNSENT, Line, Read, Time
from leadvibe.rulesets.rules.attribute_filters import AttributeFilterRead, AttributeFilters
from leadvibe.rulesets.schemas import (
    INT32,
    ConfigurationRead,
    ConfigurationWrite,
    Count,
    EndAt,
    EventTypeName,
    StartAt,
)

Weight = Annotated[
    StrictInt,
    Field(ge=-INT32, lt=INT32, description="The points for a matching event: a positive or negative integer"),
]
MaxPerLead = Annotated[
    Count | None,
    Field(description="How many events of one lead the rule awards points for. A reset restarts the count."),
]


class RuleRead(ConfigurationRead):
    id: str = Field(validation_alias="rule_id")
    rule_id: str
    ruleset_id: str
    event_type: str
    weight: int
    icon: str | None
    active: bool
    start_at: Time | None
    end_at: Time | None
    attribute_filters: list[AttributeFilterRead]
    max_per_lead: int | None


class RuleCreate(ConfigurationWrite):
    shown_as: ClassVar[type[Read] | None] = RuleRead

    ruleset_id: Annotated[Line | None, Field(description="The rule's ruleset. Default: the primary ruleset.")] = None
    event_type: EventTypeName
    weight: Weight
    icon: Line | None = None
    active: StrictBool = True
    start_at: StartAt = None
    end_at: EndAt = None
    attribute_filters: AttributeFilters = Field(default_factory=list)
    max_per_lead: MaxPerLead = None


class RuleChange(ConfigurationWrite):
    shown_as: ClassVar[type[Read] | None] = RuleRead

    ruleset_id: Line = UNSENT
    event_type: EventTypeName = UNSENT
    weight: Weight = UNSENT
    icon: Line | None = UNSENT
    active: StrictBool = UNSENT
    start_at: StartAt = UNSENT
    end_at: EndAt = UNSENT
    attribute_filters: AttributeFilters = UNSENT
    max_per_lead: MaxPerLead = UNSENT
