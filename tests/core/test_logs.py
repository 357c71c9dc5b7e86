"""Log lines: one form for the program and its libraries, and no secrets in it."""

import json
import subprocess
import sys

PROGRAM = """
import logging
import structlog
from leadvibe.core.logs import start_logging

start_logging("INFO", as_json={as_json})
structlog.contextvars.bind_contextvars(request_id="abc-123")
log = structlog.get_logger("leadvibe.test")

def fail(password):
    raise ValueError("it broke")

{statement}
"""


def logged(statement: str, *, as_json: bool = True) -> str:
    program = PROGRAM.format(statement=statement, as_json=as_json)
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout == ""
    return done.stderr


def test_a_line_is_json_with_its_request() -> None:
    line = json.loads(logged('log.info("signed in", member="m_1")'))
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "signed in",
        "member": "m_1",
        "request_id": "abc-123",
        "level": "info",
        "logger": "leadvibe.test",
    }


def test_libraries_speak_the_same() -> None:
    line = json.loads(logged('logging.getLogger("uvicorn.error").info("Started on %s", 8000)'))
    assert (line["event"], line["logger"], line["request_id"]) == ("Started on 8000", "uvicorn.error", "abc-123")


def test_what_is_below_the_level_is_left_out() -> None:
    assert (
        logged('log.debug("a"); logging.getLogger("uvicorn.access").info("b"); logging.getLogger("x").debug("c")') == ""
    )


def test_secrets_are_hidden() -> None:
    line = json.loads(logged('log.info("a", password="hunter2", token="t", client_id="c")'))
    assert (line["password"], line["token"], line["client_id"]) == ("[hidden]", "[hidden]", "c")


def test_an_error_shows_where_it_happened_but_no_values() -> None:
    statement = 'try:\n    fail("hunter" + "2")\nexcept ValueError:\n    log.exception("failed")'
    for as_json in (True, False):
        text = logged(statement, as_json=as_json)
        assert "it broke" in text
        assert "hunter2" not in text


def test_control_characters_are_escaped_on_a_terminal_and_in_json() -> None:
    for as_json in (True, False):
        line = logged(r'log.info("a\x1b[2Jb", path="/\x9b\r\nfake line \u202e")', as_json=as_json)
        assert "\x1b[2J" not in line
        assert not {"\x9b", "\r", "\u202e"} & set(line)
        assert line.count("\n") == 1
        assert "fake line" in line


def test_control_characters_in_errors_are_escaped_on_a_terminal() -> None:
    statement = 'try:\n    raise ValueError("a\\x1b[2Jb")\nexcept ValueError:\n    log.exception("failed")'
    text = logged(statement, as_json=False)
    assert "\x1b[2J" not in text
    assert "ValueError: a\\u001b[2Jb" in text
    assert "Traceback" in text
