"""The keys of imported rows."""

from collections import Counter

import pytest

from leadvibe.ingest import import_keys
from leadvibe.ingest.import_keys import ImportKeys
from leadvibe.ingest.inbox import AcceptedEvent

ROWS = "abcaadbacdeaeb"


def row(lead_id: str) -> AcceptedEvent:
    return AcceptedEvent("page_view", lead_id, [], 1, b"{}", None, None, skip_triggers=False)


def keys_of(rows: str) -> list[str]:
    keys = ImportKeys(b"a file")
    return [keys.key_of(row(lead_id), line) for line, lead_id in enumerate(rows)]


def test_equal_rows_are_numbered() -> None:
    digests = {lead_id: keys_of(lead_id)[0].partition("/")[0] for lead_id in ROWS}
    seen = Counter[str]()
    for lead_id, key in zip(ROWS, keys_of(ROWS), strict=True):
        assert key == f"{digests[lead_id]}/{seen[lead_id]}"
        seen[lead_id] += 1


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_contents_counted_in_a_file_give_the_same_keys(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = keys_of(ROWS)
    monkeypatch.setattr(import_keys, "MAX_IN_MEMORY", limit)
    assert keys_of(ROWS) == expected


def test_a_growing_file_keeps_a_bounded_number_of_contents_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_keys, "MAX_IN_MEMORY", 10)
    keys = ImportKeys(b"a file")
    assert len({keys.key_of(row(str(number)), number) for number in range(1_000)}) == 1_000
    assert len(keys._contents._counts) == 10
