"""A piece of a job is tried again while that can help."""

import pytest

from leadvibe.core import retries as pieces
from leadvibe.core.retries import ATTEMPTS, retry_transient


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "SHORTEST_PAUSE", 0.0)


class Piece:
    """Fails so many times."""

    def __init__(self, failures: int, error: Exception) -> None:
        self.failures = failures
        self.error = error
        self.tried = 0

    async def __call__(self) -> str:
        self.tried += 1
        if self.tried <= self.failures:
            raise self.error
        return "done"


async def test_what_passes_is_waited_for() -> None:
    piece = Piece(ATTEMPTS - 1, ConnectionError("the server restarts"))
    assert await retry_transient(piece) == "done"
    assert piece.tried == ATTEMPTS


async def test_what_does_not_pass_in_time_is_raised() -> None:
    piece = Piece(ATTEMPTS, ConnectionError("the server restarts"))
    with pytest.raises(ConnectionError):
        await retry_transient(piece)
    assert piece.tried == ATTEMPTS


async def test_what_would_repeat_itself_is_raised_at_once() -> None:
    piece = Piece(1, ValueError("a bug"))
    with pytest.raises(ValueError, match="a bug"):
        await retry_transient(piece)
    assert piece.tried == 1
