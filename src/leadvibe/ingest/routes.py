"""The operations that are served below FastAPI, and their place in the OpenAPI."""

from copy import deepcopy
from typing import Any, Final

from starlette.types import ASGIApp

from leadvibe.core.http.problems import MEDIA_TYPE
from leadvibe.core.http.raw_routes import RawRoute
from leadvibe.core.scope import Role
from leadvibe.identity.aliases import STRENGTH
from leadvibe.ingest.csv_import import ERRORS_SHOWN
from leadvibe.ingest.handlers import MOST_EVENTS, ingest_batch, ingest_event
from leadvibe.ingest.upload import import_events
from leadvibe.ingest.validation import MOST_ALIASES

Schema = dict[str, Any]


def _object(required: tuple[str, ...] = (), **properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, **({"required": list(required)} if required else {})}


def _described(schema: Schema, description: str) -> Schema:
    return {**schema, "description": description}


def _optional(schema: Schema) -> Schema:
    """What may be left out, and may be null instead."""
    choice = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, "type": [schema["type"], "null"], **choice}


TEXT: Final[Schema] = {"type": "string", "minLength": 1, "maxLength": 200}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
KIND: Final[Schema] = {"type": "string", "enum": list(STRENGTH)}
VALUE: Final[Schema] = {"type": "string", "minLength": 1, "maxLength": 500}
METADATA: Final = _described({"type": "object", "additionalProperties": True}, "Anything, at most 100 KB")

EVENT: Final = _object(
    ("event_type",),
    event_type=TEXT,
    lead_id=_described(_optional(TEXT), "Whose event it is; a lead that doesn't exist is created"),
    aliases={
        "type": ["array", "null"],
        "maxItems": MOST_ALIASES,
        "items": _object(("alias_kind", "raw_value"), alias_kind=KIND, raw_value=VALUE),
        "description": "By what the lead is known; needed where there is no lead_id, attached to it where there is one",
    },
    alias_kind={**_optional(KIND), "deprecated": True},
    alias={**_optional(VALUE), "deprecated": True},
    timestamp={"type": ["string", "null"], "format": "date-time", "description": "When it happened; by default, now"},
    metadata=_optional(METADATA),
    idempotency_key=_described(_optional(TEXT), "A second event with this key changes nothing"),
)
ACCEPTED: Final = _object(
    ("message", "metadata", "event_id"), message={"type": "string"}, metadata=METADATA, event_id={"type": "string"}
)
BATCH_ACCEPTED: Final = _object(
    ("accepted", "rejected", "errors"),
    accepted=COUNT,
    rejected=COUNT,
    errors={"type": "array", "items": _object(("index", "error"), index=COUNT, error={"type": "string"})},
)
PROBLEM: Final[Schema] = {"$ref": "#/components/schemas/Problem"}
NONE_ACCEPTED: Final = _object(
    ("type", "title", "status", "detail", "error", *BATCH_ACCEPTED["required"]),
    **{name: {"type": "string"} for name in ("type", "title", "detail", "error")},
    status={"type": "integer"},
    **BATCH_ACCEPTED["properties"],
)
IMPORTED: Final = _object(
    ("message", "imported", "errors", "error_rows"),
    message={"type": "string"},
    imported=COUNT,
    errors=COUNT,
    error_rows={
        "type": "array",
        "maxItems": ERRORS_SHOWN,
        "items": _object(("line", "error"), line=COUNT, error={"type": "string"}),
        "description": "The first of the rows that were refused",
    },
)
KEY: Final[Schema] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": TEXT,
    "description": "Makes it safe to send the same again. Many events sent together get this key and their number.",
}
SKIP_TRIGGERS: Final[Schema] = {
    "name": "skip_triggers",
    "in": "query",
    "required": False,
    "schema": {"type": "boolean", "default": False},
    "description": "Score the events without firing triggers",
}
PROBLEMS: Final = {
    "400": "Something in it is not valid; `errors` names the field.",
    "401": "Valid credentials are required.",
    "403": "The role Operator is needed.",
    "413": "It is too large.",
    "415": "This content type is not accepted.",
    "503": "Nothing was stored; try again after `Retry-After` seconds.",
}


def _operation(
    name: str, summary: str, description: str, body: dict[str, Schema], answer: Schema, *more: Schema
) -> dict[str, Any]:
    return {
        "tags": ["events"],
        "operationId": name,
        "summary": summary,
        "description": description,
        "security": [{"bearerAuth": []}, {"basicAuth": []}],
        "parameters": [KEY, *more],
        "requestBody": {"required": True, "content": {kind: {"schema": schema} for kind, schema in body.items()}},
        "responses": {
            "202": {"description": "Accepted", "content": {"application/json": {"schema": answer}}},
            **{status: {"description": meaning} for status, meaning in PROBLEMS.items()},
        },
    }


INGEST: Final = _operation(
    "ingest_event",
    "Ingest an event",
    "The event is stored for good when this answers; it is scored a moment later.",
    {"application/json": EVENT},
    ACCEPTED,
)
INGEST_BATCH: Final = _operation(
    "ingest_batch",
    "Ingest many events",
    f"At most {MOST_EVENTS:,} events and 10 MB, as a JSON array or one JSON object a line. The good ones are accepted, "
    "and each bad one is named by its index from 0. 400 where none is good.",
    {
        "application/json": {"type": "array", "maxItems": MOST_EVENTS, "items": EVENT},
        "application/x-ndjson": {"type": "string"},
    },
    BATCH_ACCEPTED,
)
INGEST_BATCH["responses"]["400"]["content"] = {MEDIA_TYPE: {"schema": {"anyOf": [PROBLEM, NONE_ACCEPTED]}}}
IMPORT: Final = _operation(
    "import_events",
    "Import events from a CSV",
    "A header row names the columns: event_type; lead_id, timestamp, metadata (JSON), idempotency_key; and the aliases "
    f"{', '.join(STRENGTH)}. Each row is an event. Bad rows are counted and the first {ERRORS_SHOWN} reported. "
    "The file is stored as it arrives: when the upload breaks off, the rows that were stored by then stay. With an "
    "Idempotency-Key the same file can be sent again without counting a row twice.",
    {"multipart/form-data": _object(("file",), file={"type": "string", "format": "binary"})},
    IMPORTED,
    SKIP_TRIGGERS,
)


def _routes(paths: tuple[str, ...], app: ASGIApp, operation: dict[str, Any]) -> list[RawRoute]:
    return [RawRoute("POST", path, app, deepcopy(operation), role=Role.OPERATOR) for path in paths]


RAW_ROUTES: Final = (
    *_routes(("/ingest", "/events"), ingest_event, INGEST),
    *_routes(("/ingest/batch",), ingest_batch, INGEST_BATCH),
    *_routes(("/import", "/events/import"), import_events, IMPORT),
)
