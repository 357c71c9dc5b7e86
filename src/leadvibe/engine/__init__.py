"""The engine: a score is a pure function of a lead's history and the configuration."""

from leadvibe.engine.conditions import OPERATORS, Comparison, Condition, Every, Some, canonical_operator
from leadvibe.engine.entries import Entry, Kind, Mark, Outcome, Subject
from leadvibe.engine.facts import Adjustment, Event, Fact, Order, Reset, order, restamped
from leadvibe.engine.fold import advance, fold, settle
from leadvibe.engine.instants import instant, moment
from leadvibe.engine.merge import countable, united, watermark
from leadvibe.engine.plan import ScoringPlan
from leadvibe.engine.plans import Plans, Version
from leadvibe.engine.reconcile import Line, reconcile
from leadvibe.engine.rules import Awards
from leadvibe.engine.sessions import Session
from leadvibe.engine.snapshots import Snapshot
from leadvibe.engine.standing import Standing
from leadvibe.engine.surge import PRESETS, effective

__all__ = [
    "OPERATORS",
    "PRESETS",
    "Adjustment",
    "Awards",
    "Comparison",
    "Condition",
    "Entry",
    "Event",
    "Every",
    "Fact",
    "Kind",
    "Line",
    "Mark",
    "Order",
    "Outcome",
    "Plans",
    "Reset",
    "ScoringPlan",
    "Session",
    "Snapshot",
    "Some",
    "Standing",
    "Subject",
    "Version",
    "advance",
    "canonical_operator",
    "countable",
    "effective",
    "fold",
    "instant",
    "moment",
    "order",
    "reconcile",
    "restamped",
    "settle",
    "united",
    "watermark",
]
