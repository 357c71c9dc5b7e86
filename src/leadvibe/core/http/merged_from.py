"""The response header that names a merged lead, for answers without a field `merged_from`."""

from typing import Annotated, Final
from urllib.parse import quote

from fastapi import Response
from pydantic import Field

HEADER: Final = "X-Merged-From"

MergedFrom = Annotated[
    str | None,
    Field(
        description="The id in the request, if that lead was merged into this one; otherwise absent",
        exclude_if=lambda lead_id: lead_id is None,
    ),
]
"""The field `merged_from` of a response about one lead. Its default must be None."""


def describe_merge(response: Response, merged_from: str | None) -> None:
    """Set the header `X-Merged-From` (percent-encoded UTF-8) if the lead in the request was merged into another."""
    if merged_from is not None:
        response.headers[HEADER] = quote(merged_from, safe="")
