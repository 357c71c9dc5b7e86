"""The engine: a score is a pure function of a lead's history and the configuration."""

from leadvibe.engine.conditions import (
    OPERATOR_ALIASES,
    OPERATORS,
    Comparison,
    Condition,
    Every,
    Some,
    canonical_operator,
)
from leadvibe.engine.configuration import Snapshot
from leadvibe.engine.entries import Cause, Entry, Kind, Outcome, Verdict
from leadvibe.engine.facts import Adjustment, Event, Fact, Order, Reset, order, with_version
from leadvibe.engine.fold import advance, fold, fold_until
from leadvibe.engine.instants import to_datetime, to_instant
from leadvibe.engine.merge import as_counted
from leadvibe.engine.plan import ScoringPlan
from leadvibe.engine.plans import Plans, Version
from leadvibe.engine.reconcile import LedgerLine, reconcile
from leadvibe.engine.rules import Awards
from leadvibe.engine.sessions import Session
from leadvibe.engine.standing import Standing
from leadvibe.engine.surge import PRESETS, effective_policy

__all__ = [
    "OPERATORS",
    "OPERATOR_ALIASES",
    "PRESETS",
    "Adjustment",
    "Awards",
    "Cause",
    "Comparison",
    "Condition",
    "Entry",
    "Event",
    "Every",
    "Fact",
    "Kind",
    "LedgerLine",
    "Order",
    "Outcome",
    "Plans",
    "Reset",
    "ScoringPlan",
    "Session",
    "Snapshot",
    "Some",
    "Standing",
    "Verdict",
    "Version",
    "advance",
    "as_counted",
    "canonical_operator",
    "effective_policy",
    "fold",
    "fold_until",
    "order",
    "reconcile",
    "to_datetime",
    "to_instant",
    "with_version",
]
