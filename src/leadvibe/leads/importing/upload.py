"""The handler of `POST /leads/import/preview`: reads an uploaded CSV, stores it and describes it."""

from functools import partial

import msgspec
from starlette.datastructures import QueryParams
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from leadvibe.access.expensive import expensive_operations
from leadvibe.config import settings
from leadvibe.core.database.transactions import transaction
from leadvibe.core.http.multipart import read_file
from leadvibe.core.threads import compute
from leadvibe.ingest.csv_delimiter import read_delimiter
from leadvibe.ingest.handlers import authorize_operator
from leadvibe.leads.importing.reading import MAX_FILE_BYTES, read_leads
from leadvibe.leads.importing.repository import LeadImports


async def preview_leads(scope: Scope, receive: Receive, send: Send) -> None:
    caller = await authorize_operator(scope)
    delimiter = QueryParams(scope["query_string"]).get("delimiter")
    reading = partial(
        read_leads,
        max_rows=settings().lead_import_rows,
        delimiter=None if delimiter is None else read_delimiter(delimiter),
    )
    expensive_operations.check(caller.unit_id)  # not counted while the file arrives: a slow upload costs little
    upload = await read_file(dict(scope["headers"]), receive, "file", MAX_FILE_BYTES)
    with expensive_operations.running(caller.unit_id):
        file = await compute(partial(reading, upload))  # in a thread, because millions of short rows take seconds
        async with transaction(caller) as session:
            preview = await LeadImports(session, caller).store(upload.name, file)
    response = Response(msgspec.json.encode(preview), media_type="application/json")
    await response(scope, receive, send)
