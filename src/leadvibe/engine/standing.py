"""What a lead's next fact in order needs to know of all that came before, and no more."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from leadvibe.engine.facts import START, Event, Fact, Order, order
from leadvibe.engine.filters import VelocityWindow
from leadvibe.engine.plans import Plans
from leadvibe.engine.sessions import Session


@dataclass(frozen=True, slots=True)
class Standing:
    position: Order = START
    """The canonical order of what was last folded."""
    known: int = 0
    """The newest version that the last fold knew."""
    horizon: int = 0
    """The newest version that every fold knew: what later ones ask for may be missing from the memory."""
    totals: Mapping[str, int] = field(default_factory=dict[str, int])
    """Of every ruleset to which something contributed since the last reset; every other total is zero."""
    uses: Mapping[str, int] = field(default_factory=dict[str, int])
    """How often each limited rule has paid since the last reset."""
    surge_count: int = 0
    surge_at: int | None = None
    activity: int | None = None
    session: Session | None = None
    windows: Mapping[str, VelocityWindow] = field(default_factory=dict[str, VelocityWindow])

    @property
    def empty(self) -> bool:
        """Nothing was folded yet."""
        return self.position == START

    def can_fold(self, plans: Plans, facts: Sequence[Fact] = ()) -> bool:
        """Whether a fold of these facts, in order, can go on from here; otherwise a replay is due."""
        if self.empty:
            return True
        if plans.newest > self.known and plans.timeline.changed_unseen(self.known, self.position[0]):
            return False
        if facts and order(facts[0]) <= self.position:
            return False
        deepened = plans.lookback.deepened
        return all(deepened.get(fact.type, 0) <= self.horizon for fact in facts if isinstance(fact, Event))

    def dump(self) -> list[Any]:
        """As numbers, texts, bytes, lists and maps."""
        return [
            list(self.position),
            self.known,
            self.horizon,
            dict(self.totals),
            dict(self.uses),
            self.surge_count,
            self.surge_at,
            self.activity,
            self.session and self.session.dump(),
            {name: [list(window.times), dict(window.bursts)] for name, window in self.windows.items()},
        ]

    @classmethod
    def load(cls, primitives: Sequence[Any]) -> "Standing":
        """What `dump` gave."""
        position, known, horizon, totals, uses, surge_count, surge_at, activity, session, windows = primitives
        return cls(
            (position[0], position[1], *position[2:]),
            known,
            horizon,
            totals,
            uses,
            surge_count,
            surge_at,
            activity,
            session and Session.load(session),
            {name: VelocityWindow(tuple(times), bursts) for name, (times, bursts) in windows.items()},
        )
