"""Aliases that unprocessed events connect to a lead that is deleted."""

from collections.abc import Collection
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from leadvibe.leads.deletion.pending_aliases import AliasKey, EventIdentity, connected_aliases

ALIASES: list[AliasKey] = [("cookie", str(number)) for number in range(8)]
SOME = st.frozensets(st.sampled_from(ALIASES), max_size=3)
EVENTS = st.sets(st.builds(EventIdentity, st.sampled_from([None, "ada", "bob", "eve"]), SOME), max_size=12)


def repeated_search(
    events: Collection[EventIdentity], lead_ids: Collection[str], aliases: Collection[AliasKey]
) -> set[AliasKey]:
    """Search all events again until nothing is found, in quadratic time."""
    of_others = {a for event in events if event.lead_id and event.lead_id not in lead_ids for a in event.aliases}
    known, size = set(aliases), -1
    while size != len(known):
        size = len(known)
        for event in events:
            if event.lead_id in lead_ids or (not event.lead_id and event.aliases & known):
                known |= event.aliases - of_others
    return known


@given(EVENTS, st.sets(st.sampled_from(["ada", "bob"])), SOME)
def test_the_aliases_are_those_of_a_repeated_search(
    events: set[EventIdentity], lead_ids: set[str], aliases: frozenset[AliasKey]
) -> None:
    assert connected_aliases(events, lead_ids, aliases) == repeated_search(events, lead_ids, aliases)


def test_a_long_chain_of_events_is_followed_to_its_end() -> None:
    chain = [("cookie", str(number)) for number in range(100_000)]
    events = {EventIdentity(None, frozenset(pair)) for pair in pairwise(chain)}
    assert connected_aliases(events, {"ada"}, chain[:1]) == set(chain)
