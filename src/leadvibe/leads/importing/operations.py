"""The preview's place in the OpenAPI, since it is served below FastAPI."""

from typing import Any, Final

from leadvibe.core.http.raw_routes import RawRoute
from leadvibe.ingest.routes import PROBLEMS
from leadvibe.leads.importing.detection import NAMES
from leadvibe.leads.importing.reading import SAMPLE_ROWS
from leadvibe.leads.importing.upload import preview_leads

Schema = dict[str, Any]

COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
TEXTS: Final[Schema] = {"type": "array", "items": {"type": "string"}}
KINDS: Final = [f"{kind}_columns" for kind in NAMES]
PREVIEW: Final[Schema] = {
    "type": "object",
    "properties": {
        "file_id": {"type": "string"},
        "file_name": {"type": "string"},
        "headers": TEXTS,
        "sample_rows": {"type": "array", "items": TEXTS, "maxItems": SAMPLE_ROWS},
        "row_count": COUNT,
        "auto_detected_identifiers": {
            "type": "object",
            "properties": dict.fromkeys(KINDS, TEXTS),
            "required": KINDS,
            "description": "Columns that seem to identify people, by what they are called and by what is in them",
        },
        "expires_at": {"type": "string", "format": "date-time"},
    },
    "required": [
        *("file_id", "file_name", "headers", "sample_rows", "row_count"),
        *("auto_detected_identifiers", "expires_at"),
    ],
}
OPERATION: Final[Schema] = {
    "tags": ["Leads"],
    "operationId": "preview_lead_import",
    "summary": "Preview an import of leads",
    "description": "A CSV in UTF-8 with a header row, at most 10 MB. It is kept for an hour, for "
    "`POST /leads/import/start`; nothing is imported yet.",
    "security": [{"bearerAuth": []}, {"basicAuth": []}],
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"file": {"type": "string", "format": "binary"}},
                    "required": ["file"],
                }
            }
        },
    },
    "responses": {
        "200": {"description": "What is in the file", "content": {"application/json": {"schema": PREVIEW}}},
        **{status: {"description": meaning} for status, meaning in PROBLEMS.items()},
    },
}

RAW_ROUTES: Final = (RawRoute("POST", "/leads/import/preview", preview_leads, OPERATION),)
