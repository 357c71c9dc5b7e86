"""The engine: a score is a pure function of a lead's history and the configuration."""

from leadvibe.engine.conditions import OPERATOR_ALIASES, OPERATORS, canonical_operator, numeric
from leadvibe.engine.configuration import Configuration
from leadvibe.engine.entries import Cause, Entry, Kind, Outcome, SurgeEvent, Verdict
from leadvibe.engine.facts import Adjustment, Event, Fact, Reset, order
from leadvibe.engine.fold import advance, fold_until
from leadvibe.engine.merge import as_counted
from leadvibe.engine.plans import Plans, Version
from leadvibe.engine.reconcile import LedgerLine, reconcile, reconcile_surge_events
from leadvibe.engine.rules import Awards
from leadvibe.engine.sessions import Session
from leadvibe.engine.standing import Standing
from leadvibe.engine.surge import effective_policy

__all__ = [
    "OPERATORS",
    "OPERATOR_ALIASES",
    "Adjustment",
    "Awards",
    "Cause",
    "Configuration",
    "Entry",
    "Event",
    "Fact",
    "Kind",
    "LedgerLine",
    "Outcome",
    "Plans",
    "Reset",
    "Session",
    "Standing",
    "SurgeEvent",
    "Verdict",
    "Version",
    "advance",
    "as_counted",
    "canonical_operator",
    "effective_policy",
    "fold_until",
    "numeric",
    "order",
    "reconcile",
    "reconcile_surge_events",
]
