"""`POST /leads/import/preview`: a CSV read under a limit, looked through and kept."""

import asyncio

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from leadvibe.core.database.transactions import transaction
from leadvibe.core.http.request_body import read_file
from leadvibe.ingest.handlers import authorize_operator
from leadvibe.leads.importing.reading import LARGEST, read_leads
from leadvibe.leads.importing.repository import LeadImports


async def preview_leads(scope: Scope, receive: Receive, send: Send) -> None:
    """Look through a CSV of leads."""
    caller = await authorize_operator(scope)
    upload = await read_file(dict(scope["headers"]), receive, "file", LARGEST)
    file = await asyncio.to_thread(read_leads, upload)  # millions of short rows take seconds
    async with transaction(caller) as session:
        preview = await LeadImports(session, caller).keep(upload.name, file)
    answer = Response(msgspec.json.encode(preview), media_type="application/json")
    await answer(scope, receive, send)
