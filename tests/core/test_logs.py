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
