"""The message when the server is ready shows secrets on a terminal only."""

from pathlib import Path

import pytest

from leadvibe.config import Settings
from leadvibe.server.first_start import FirstStart
from leadvibe.server.startup_message import startup_message

FIRST = FirstStart("http://here", "a@example.com", "the password", "lv_ci_1", "lv_cs_2", "org", "unit")


def message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> str:
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal)
    return startup_message(Settings(data_dir=tmp_path), "http://here", FIRST)


def test_on_a_terminal_the_secrets_of_the_first_start_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = message(tmp_path, monkeypatch, terminal=True)
    assert "the password" in text
    assert "lv_ci_1:lv_cs_2" in text


def test_elsewhere_the_message_says_where_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = message(tmp_path, monkeypatch, terminal=False)
    assert "the password" not in text
    assert "lv_cs_2" not in text
    assert f"are in {tmp_path / 'first-start.json'}" in text
    assert f"curl -K {tmp_path / 'first-start.curl'} http://here/ingest" in text
