"""The ingest operations, which are served below FastAPI, and their OpenAPI."""

from copy import deepcopy
from typing import Any, Final

import msgspec
from starlette.types import ASGIApp

from leadvibe.core.http.problems import MEDIA_TYPE
from leadvibe.core.http.raw_routes import RawRoute
from leadvibe.core.scope import Role
from leadvibe.identity.aliases import STRENGTH
from leadvibe.ingest.handlers import (
    MAX_BATCH_EVENTS,
    import_events,
    ingest_batch,
    ingest_event,
    with_own_connections,
)
from leadvibe.ingest.schemas import (
    MAX_REPORTED_ROWS,
    BatchResult,
    ImportResult,
    IngestResult,
    RejectedBatch,
    RejectedImport,
    SentEvent,
)

Schema = dict[str, Any]

(EVENT, INGESTED, BATCH_RESULT, REJECTED_BATCH, IMPORT_RESULT, REJECTED_IMPORT), COMPONENTS = (
    msgspec.json.schema_components(
        (SentEvent, IngestResult, BatchResult, RejectedBatch, ImportResult, RejectedImport),
        ref_template="#/components/schemas/{name}",
    )
)
ALIAS_COLUMNS: Final = ", ".join(f"`{kind}`" for kind in STRENGTH)
PROBLEM: Final[Schema] = {"$ref": "#/components/schemas/Problem"}

KEY: Final[Schema] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 200},
    "description": "Makes it safe to repeat the request: a text in UTF-8, with or without quotes. A batch or a file "
    "that is sent again with this key within a day gets the same response. Another body, or an import with other "
    "options, is a 422 with this key. Each event of a batch or a file gets this key, `/` and its position from 0, "
    "unless it has an `idempotency_key` or an `event_id`.",
}
SKIP_TRIGGERS: Final[Schema] = {
    "name": "skip_triggers",
    "in": "query",
    "required": False,
    "schema": {"type": "boolean", "default": False},
    "description": "Score the events without firing triggers",
}
DELIMITER: Final[Schema] = {
    "name": "delimiter",
    "in": "query",
    "required": False,
    "schema": {"type": "string"},
    "example": ";",
    "description": "The character that separates the columns, or the word `tab`. Default: the server finds `,`, `;`, "
    "tab or `|`, and reads a first line like `sep=;`",
}
IMPORT_PARAMETERS: Final[tuple[Schema, ...]] = (
    {
        "name": "map",
        "in": "query",
        "required": False,
        "schema": {"type": "array", "items": {"type": "string"}},
        "example": ["visited=timestamp"],
        "description": "`COLUMN=FIELD`: read a column of the file as this field of the event. Can be repeated",
    },
    {
        "name": "set",
        "in": "query",
        "required": False,
        "schema": {"type": "array", "items": {"type": "string"}},
        "example": ["event_type=page_view"],
        "description": "`FIELD=VALUE`: the value of this field in the rows that have none. Can be repeated",
    },
    {
        "name": "metadata",
        "in": "query",
        "required": False,
        "schema": {"type": "string", "enum": ["rest"]},
        "example": "rest",
        "description": "`rest` keeps all other columns as metadata",
    },
    {
        "name": "timezone",
        "in": "query",
        "required": False,
        "schema": {"type": "string"},
        "example": "Europe/Berlin",
        "description": "The time zone of dates and times that state none, as a name of the IANA database. Without it, "
        "such rows are refused",
    },
    DELIMITER,
)
PROBLEMS: Final = {
    "400": "The request is not valid; `errors` names the field.",
    "401": "Valid credentials are required.",
    "403": "The role Operator is required.",
    "413": "The request is too large.",
    "415": "This content type is not supported.",
    "503": "The server can't store anything now; try again after `Retry-After` seconds.",
}

PAGE_VIEW: Final[Schema] = {
    "event_type": "page_view",
    "lead_id": "lead-1",
    "timestamp": "2025-08-15T12:00:00Z",
    "metadata": {"path": "/pricing", "channel": "web"},
}
SIGN_UP: Final[Schema] = {
    "event_type": "signup",
    "aliases": [{"alias_kind": "email", "raw_value": "ada@example.com"}],
}


def _operation(
    name: str, summary: str, description: str, body: dict[str, Schema], result: Schema, *parameters: Schema
) -> dict[str, Any]:
    """`body` has the media types of the request; `result` is the content of the response."""
    return {
        "tags": ["events"],
        "operationId": name,
        "summary": summary,
        "description": description,
        "security": [{"bearerAuth": []}, {"basicAuth": []}],
        "parameters": [KEY, *parameters],
        "requestBody": {"required": True, "content": body},
        "responses": {
            "202": {"description": "Accepted", "content": {"application/json": result}},
            **{status: {"description": meaning} for status, meaning in PROBLEMS.items()},
        },
    }


KEY_REUSED: Final = {"description": "The `Idempotency-Key` was already used with another body or other options."}


INGEST: Final = _operation(
    "ingest_event",
    "Ingest an event",
    "Store an event. The response is sent after the event is stored durably; the event is scored a moment later. "
    "An event that repeats an earlier one changes nothing: the response has `repeated` and the id of the earlier one. "
    "Unknown fields are ignored and named in `warnings`. For Operators.",
    {"application/json": {"schema": EVENT, "example": PAGE_VIEW}},
    {
        "schema": INGESTED,
        "example": {
            "message": "event ingested",
            "metadata": {"channel": "web", "path": "/pricing"},
            "event_id": "ev_0198aab0c6a47d4b8f3b1c0f5e2d7a91",
        },
    },
)
INGEST_BATCH: Final = _operation(
    "ingest_batch",
    "Ingest many events",
    f"Store up to {MAX_BATCH_EVENTS:,} events and 10 MB, sent as a JSON array or as JSON lines (one object on each "
    "line). The valid events are stored, and the others are reported by their index from 0. If no event is valid, the "
    "response is a 400. `repeated` counts the events that repeat an earlier one. For Operators.",
    {
        "application/json": {
            "schema": {"type": "array", "maxItems": MAX_BATCH_EVENTS, "items": EVENT},
            "example": [PAGE_VIEW, SIGN_UP],
        },
        "application/x-ndjson": {
            "schema": {"type": "string"},
            "example": '{"event_type": "page_view", "lead_id": "lead-1"}\n{"event_type": "signup", "lead_id": "l-2"}\n',
        },
    },
    {"schema": BATCH_RESULT, "example": {"accepted": 2, "rejected": 0, "errors": []}},
)
INGEST_BATCH["responses"]["422"] = KEY_REUSED
INGEST_BATCH["responses"]["400"]["content"] = {MEDIA_TYPE: {"schema": {"anyOf": [PROBLEM, REJECTED_BATCH]}}}
IMPORT: Final = _operation(
    "import_events",
    "Import events from a CSV",
    "Store each row of a CSV as an event. A header row names the columns: `event_type` (required), `lead_id`, "
    f"`timestamp`, `metadata` (JSON), `idempotency_key`, `event_id`, and the aliases {ALIAS_COLUMNS}. `occurred_at`, "
    "`created_at` or `time_stamp` is read as `timestamp` if there is no such column. Other columns are ignored, and "
    f"named in `ignored_columns`. Rows that are not valid are counted, and the first {MAX_REPORTED_ROWS} are reported. "
    "If no row can be imported, the response is a 400.\n\n"
    "You can send a file again, also after you corrected or added rows: rows with a timestamp that were imported "
    "before don't count twice. Rows without a timestamp count once per file. With an `Idempotency-Key`, each row has "
    "this key and its position instead. The column `id` of an export is read, so importing an export changes "
    "nothing.\n\n"
    "Rows are stored after the whole file has arrived: an upload that ends early stores nothing. If the server fails "
    "during the import, send the same file again: no row counts twice. For Operators.",
    {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {"file": {"type": "string", "format": "binary", "description": "A CSV"}},
                "required": ["file"],
            },
            "example": {"file": "event_type,lead_id,timestamp\npage_view,lead-1,2025-08-15T12:00:00Z\n"},
        }
    },
    {
        "schema": IMPORT_RESULT,
        "example": {
            "message": "import queued",
            "imported": 1,
            "errors": 0,
            "error_rows": [],
            "ignored_columns": ["color"],
        },
    },
    SKIP_TRIGGERS,
    *IMPORT_PARAMETERS,
)
IMPORT["responses"]["400"]["content"] = {MEDIA_TYPE: {"schema": {"anyOf": [PROBLEM, REJECTED_IMPORT]}}}
IMPORT["responses"]["422"] = KEY_REUSED


def _routes(paths: tuple[str, ...], app: ASGIApp, operation: dict[str, Any]) -> list[RawRoute]:
    return [
        RawRoute("POST", path, app, deepcopy(operation), components=COMPONENTS, role=Role.OPERATOR) for path in paths
    ]


RAW_ROUTES: Final = (
    *_routes(("/ingest", "/events"), with_own_connections(ingest_event), INGEST),
    *_routes(("/ingest/batch",), with_own_connections(ingest_batch), INGEST_BATCH),
    *_routes(("/import", "/events/import"), import_events, IMPORT),
)
