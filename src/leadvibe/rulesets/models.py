"""The scoring configuration of an OU: rulesets, rules, surge policy, decays, filters, and its versions."""

from typing import Final

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint, and_, or_, text
from sqlalchemy.orm import Mapped, mapped_column, object_session

from leadvibe.core.database.models import Authored, Base, Big, Id, Instant, Json, OfUnit
from leadvibe.core.scope import OrgScope


class Configured(OfUnit, Authored):
    """An object of an OU's configuration."""

    @property
    def org_id(self) -> str:
        """The organization of the session's scope."""
        session = object_session(self)
        scope = session and session.info["scope"]
        if not isinstance(scope, OrgScope):
            raise TypeError("the object has no session with a scope")
        return scope.org_id


class Ruleset(Base, Configured):
    __tablename__ = "rulesets"
    __table_args__ = (
        UniqueConstraint("unit_id", "name"),
        Index("uq_rulesets_primary", "unit_id", unique=True, postgresql_where=text("is_primary")),
    )

    ruleset_id: Mapped[Id] = mapped_column(primary_key=True)
    name: Mapped[str]
    score_column: Mapped[str] = mapped_column(server_default=text("'total_score'"))
    is_primary: Mapped[bool] = mapped_column(server_default=text("false"))
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    start_at: Mapped[Instant | None]
    end_at: Mapped[Instant | None]


class Rule(Base, Configured):
    __tablename__ = "rules"
    __table_args__ = (
        ForeignKeyConstraint(
            ["unit_id", "ruleset_id"], ["rulesets.unit_id", "rulesets.ruleset_id"], ondelete="CASCADE"
        ),
        UniqueConstraint("unit_id", "ruleset_id", "event_type", "filters_key"),
    )

    rule_id: Mapped[Id] = mapped_column(primary_key=True)
    ruleset_id: Mapped[Id]
    event_type: Mapped[Id]
    weight: Mapped[int]
    icon: Mapped[str | None]
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    start_at: Mapped[Instant | None]
    end_at: Mapped[Instant | None]
    attribute_filters: Mapped[Json] = mapped_column(server_default=text("'[]'::jsonb"))
    filters_key: Mapped[str] = mapped_column(server_default=text("''"))
    """A digest of the attribute filters. Two rules of a ruleset for the same event type have different digests."""
    max_per_lead: Mapped[int | None]


class SurgePolicy(Base, Configured):
    """An OU's surge policy. Null stands for the mode's default."""

    __tablename__ = "surge_policies"

    mode: Mapped[str]
    bands: Mapped[Json | None]
    """Only for the mode `custom`."""
    idle_reset_seconds: Mapped[int | None]
    multiplier_cap: Mapped[float | None]


class Decay(Base, Configured):
    """A decay rule: the points to deduct after each period without activity."""

    __tablename__ = "decays"

    decay_id: Mapped[Id] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    inactive_for: Mapped[int]
    unit: Mapped[str]
    """The unit of `inactive_for`: hours, days or weeks."""
    decrease: Mapped[int]
    active: Mapped[bool] = mapped_column(server_default=text("true"))


class InorganicFilter(Base, Configured):
    """Suppresses events of a type when a lead has more of them within a window than a person would cause."""

    __tablename__ = "inorganic_filters"

    filter_id: Mapped[Id] = mapped_column(primary_key=True)
    event_type: Mapped[Id]
    count_threshold: Mapped[int]
    time_window_ms: Mapped[Big]
    group_events: Mapped[bool] = mapped_column(server_default=text("false"))


class ConfigPart(Base, OfUnit):
    """A part of everything that scoring depends on, such as one rule, from one version until another changes it."""

    __tablename__ = "config_parts"
    __table_args__ = (Index("ix_config_parts_superseded_in", "unit_id", "superseded_in"),)

    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[Id] = mapped_column(primary_key=True)
    part_id: Mapped[Id] = mapped_column(primary_key=True)
    part: Mapped[Json]
    superseded_in: Mapped[int | None]
    """The version that changes or removes the part; null while it is current."""


class ConfigVersion(Base, OfUnit):
    """A version of everything that scoring depends on. Its parts are in `config_parts`."""

    __tablename__ = "config_versions"

    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    created_at: Mapped[Instant] = mapped_column(server_default=text("clock_timestamp()"))
    created_by: Mapped[str | None]


PART_OF_VERSION: Final = and_(
    ConfigPart.unit_id == ConfigVersion.unit_id,
    ConfigPart.version <= ConfigVersion.version,
    or_(ConfigPart.superseded_in.is_(None), ConfigPart.superseded_in > ConfigVersion.version),
)
