"""`POST /import`: a CSV as it arrives, row by row."""

from typing import Final

import msgspec
from starlette.datastructures import QueryParams
from starlette.types import Receive, Scope, Send

from leadvibe.core.http.multipart import stream_file
from leadvibe.core.http.problems import Invalid
from leadvibe.ingest.csv_import import import_csv
from leadvibe.ingest.handlers import event_sender, idempotency_key, send_accepted

BOOLEANS: Final = {"true": True, "1": True, "false": False, "0": False}


async def import_events(scope: Scope, receive: Receive, send: Send) -> None:
    """Import events from a CSV file."""
    caller = await event_sender(scope)
    headers = dict(scope["headers"])
    skip_triggers = BOOLEANS.get(QueryParams(scope["query_string"]).get("skip_triggers", "false").lower())
    if skip_triggers is None:
        raise Invalid.field("skip_triggers", "must be true or false")
    pieces = stream_file(headers, receive, "file")
    outcome = await import_csv(pieces, caller.unit_id, key=idempotency_key(headers), skip_triggers=skip_triggers)
    answer = {
        "message": "import queued",
        "imported": outcome.imported,
        "errors": outcome.errors,
        "error_rows": outcome.error_rows,
    }
    await send_accepted(send, msgspec.json.encode(answer))
