"""The OpenAPI has everything that a client generator and its user need."""

import re
from datetime import UTC, datetime
from typing import Any

import jsonschema_rs
import msgspec
import pytest

from leadvibe.core.stream.frames import RESYNC
from leadvibe.engine import OPERATORS, canonical_operator
from leadvibe.pipeline.frames import (
    NewEventData,
    NewEventFrame,
    RulesetScoreChange,
    ScoreUpdateFrame,
    SurgeData,
    SurgeFrame,
)
from leadvibe.server.openapi.operation_ids import name_operations
from leadvibe.server.openapi.tags import TAGS, tag_operation
from support.operations import described, document

OPERATION_ID = re.compile(r"[a-z]+(_[a-z]+)*")
TIME_NAME = re.compile(r".*_at|timestamp|known_at|start_date|end_date")
TOPICS = (
    *("Authentication", "Active OU", "Roles", "Paging", "Merged leads", "Changes", "Errors"),
    *("Idempotency", "Times", "Rate limits", "Stream"),
)


def properties(schema: Any, path: str = "") -> list[tuple[str, dict[str, Any]]]:
    """Every property of a schema and of what is in it, with its place."""
    found: list[tuple[str, dict[str, Any]]] = []
    if isinstance(schema, dict):
        for name, value in schema.items():
            if name == "properties" and isinstance(value, dict):
                found += [(f"{path}.{each}", value[each]) for each in value]
            found += properties(value, f"{path}.{name}" if name != "properties" else path)
    elif isinstance(schema, list):
        for value in schema:
            found += properties(value, path)
    return found


def test_the_introduction_explains_every_topic_once() -> None:
    headings = re.findall(r"^## (.*)$", document()["info"]["description"], re.MULTILINE)
    assert tuple(headings) == TOPICS


def test_the_document_names_its_server_and_licence() -> None:
    assert document()["servers"][0]["url"] == "/"
    assert document()["info"]["license"]["identifier"] == "Apache-2.0"
    assert "contact" not in document()["info"]


def test_an_operation_id_is_unique_and_made_of_words() -> None:
    ids = [operation["operationId"] for _, _, operation in described()]
    assert [each for each in ids if OPERATION_ID.fullmatch(each) is None] == []
    assert len(ids) == len(set(ids))


def test_the_alternative_path_adds_its_first_segment_in_any_order_of_the_paths() -> None:
    paths = ["/lead/{lead_id}/score", "/score/{lead_id}", "/leads/{lead_id}/score"]
    for order in (paths, paths[::-1]):
        operations = [(path, {"operationId": f"read_score {path}"}) for path in order]
        name_operations(operations)
        assert {path: operation["operationId"] for path, operation in operations} == {
            "/leads/{lead_id}/score": "read_score",
            "/lead/{lead_id}/score": "read_score_at_lead",
            "/score/{lead_id}": "read_score_at_score",
        }


def test_an_operation_served_at_unknown_alternatives_is_refused() -> None:
    operations = [(path, {"operationId": "get_thing"}) for path in ("/things/{id}", "/items/{id}")]
    with pytest.raises(ValueError, match="get_thing is served at"):
        name_operations(operations)


def test_every_operation_has_one_tag_and_every_tag_an_operation() -> None:
    used = [operation["tags"] for _, _, operation in described()]
    assert all(len(tags) == 1 for tags in used)
    assert {tag for (tag,) in used} == set(TAGS)
    assert [tag["name"] for tag in document()["tags"]] == list(TAGS)
    assert all(tag["description"].endswith(".") for tag in document()["tags"])


def test_an_unknown_tag_is_refused() -> None:
    with pytest.raises(KeyError, match="unknown tag"):
        tag_operation("get_thing", {"tags": ["Things"]})


def test_every_operation_says_which_role_it_requires() -> None:
    sentence = re.compile(r"Requires (the role (Viewer|Operator|Owner)|an admin|no particular role|no authentication)")
    for _, _, operation in described():
        assert sentence.search(operation["description"].splitlines()[-1]), operation["operationId"]


def test_every_time_has_the_format_date_time() -> None:
    places = properties(document()["components"]["schemas"]) + properties(document()["paths"])
    places += [
        (f"{path}?{parameter['name']}", parameter["schema"])
        for _, path, operation in described()
        for parameter in operation.get("parameters", [])
    ]
    times = [(place, schema) for place, schema in places if TIME_NAME.fullmatch(re.split(r"[.?]", place)[-1])]
    assert len(times) > 50
    assert [place for place, schema in times if "date-time" not in str(schema)] == []


def test_every_operator_and_its_other_names_are_listed() -> None:
    listed = document()["components"]["schemas"]["AttributeFilter"]["properties"]["operator"]["enum"]
    assert set(OPERATORS) < set(listed)
    assert all(canonical_operator(name) for name in listed)


def test_the_stream_references_its_frames() -> None:
    schema = document()["paths"]["/stream"]["get"]["responses"]["200"]["content"]["text/event-stream"]["schema"]
    assert schema == {"$ref": "#/components/schemas/StreamFrame"}
    validator = jsonschema_rs.Draft202012Validator({**schema, "components": document()["components"]})
    at = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
    event = NewEventFrame(NewEventData("ev_1", "ada", "page_view", at))
    update = ScoreUpdateFrame("ada", 5, 5, [RulesetScoreChange("rs_1", 5, 5)])
    surge = SurgeFrame(SurgeData("ev_1", "ada", "web", 5, 1.25, at, at))
    for frame in (*map(msgspec.json.encode, (event, update, surge)), RESYNC.data):
        validator.validate(msgspec.json.decode(frame))
    assert not validator.is_valid({"type": "unknown"})


def test_paged_lists_describe_their_headers() -> None:
    for _, path, operation in described():
        names = {parameter["name"] for parameter in operation.get("parameters", [])}
        if {"page", "limit"} <= names:
            assert {"X-Total-Count", "Link"} <= set(operation["responses"]["200"]["headers"]), path


def test_a_busy_server_says_when_to_try_again() -> None:
    for _, path, operation in described():
        if "503" in operation["responses"]:
            assert "Retry-After" in operation["responses"]["503"]["headers"], path


def test_every_schema_reference_leads_somewhere() -> None:
    references = set(re.findall(r"'\$ref': '#/components/(\w+)/([\w-]+)'", str(document())))
    assert [name for kind, name in references if name not in document()["components"][kind]] == []


def test_no_schema_is_named_after_its_module() -> None:
    assert [name for name in document()["components"]["schemas"] if "__" in name] == []
