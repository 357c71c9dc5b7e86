"""Folds leads under the live configuration and under a draft, in a thread."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from leadvibe.core.threads import StopSignal
from leadvibe.engine import Event, Fact, Plans, Standing, advance
from leadvibe.simulation.comparison import Comparison, Reason, reasons
from leadvibe.simulation.drafts import Draft
from leadvibe.simulation.histories import in_order
from leadvibe.simulation.stoppable_fold import Folded, fold_stoppable

_standing = msgspec.msgpack.Decoder(list[Any])


class LeadHistory(NamedTuple):
    lead_id: str
    standing: bytes
    """Packed."""
    facts: list[Fact] | None
    """In no order. None if the draft can't change the lead's score."""


@dataclass(frozen=True, slots=True)
class Trial:
    """The live configuration and the draft."""

    live: Plans
    drafted: Plans
    draft: Draft
    since: int

    def score_now(self, standing: bytes, until: int) -> int:
        outcome = advance(self.live, Standing.load(_standing.decode(standing)), until)
        return outcome.standing.totals.get(self.draft.ruleset_id, 0)

    def fold_drafted(self, facts: Sequence[Fact], until: int, signal: StopSignal) -> Folded:
        return fold_stoppable(self.drafted, facts, until, signal)

    def reasons(self, facts: Sequence[Fact], after: Folded, until: int, signal: StopSignal) -> list[Reason]:
        before = fold_stoppable(self.live, facts, until, signal)
        return reasons(before.entries, after.entries, self.draft.ruleset_id, self.draft.event_types)


@dataclass(frozen=True, slots=True)
class Slice:
    """Consecutive leads, at least one, as they were in one transaction."""

    trial: Trial
    until: int
    leads: Sequence[LeadHistory]

    @property
    def last(self) -> str:
        return self.leads[-1].lead_id

    def compare(self, comparison: Comparison, signal: StopSignal) -> None:
        """Add the leads to the comparison. Raises Stopped if the signal says so, also within a long history."""
        for lead in signal.checked(self.leads, every=1):
            score = self.trial.score_now(lead.standing, self.until)
            if lead.facts is None:
                comparison.add(lead.lead_id, score, score, list)
            else:
                self._compare(lead.lead_id, score, in_order(lead.facts), comparison, signal)

    def _compare(self, lead_id: str, score: int, facts: list[Fact], comparison: Comparison, signal: StopSignal) -> None:
        trial, until = self.trial, self.until
        after = trial.fold_drafted(facts, until, signal)
        comparison.events += sum(isinstance(fact, Event) and fact.at >= trial.since for fact in facts)
        drafted = after.standing.totals.get(trial.draft.ruleset_id, 0)
        comparison.add(lead_id, score, drafted, lambda: trial.reasons(facts, after, until, signal))
