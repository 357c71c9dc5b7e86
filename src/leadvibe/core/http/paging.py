"""Pagination: the `page` and `limit` parameters, and the `X-Total-Count` and `Link` response headers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import quote, urlencode

from fastapi import Depends, Query, Request, Response

DEFAULT_LIMIT = 50
MAX_LIMIT = 500

BY_NUMBER: Final = object()


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list; page numbers start at 1."""

    number: int
    limit: int

    @property
    def offset(self) -> int:
        return (self.number - 1) * self.limit


def _page(
    page: Annotated[int, Query(ge=1, le=1_000_000, description="Page number, starting at 1")] = 1,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Maximum number of items per page")] = DEFAULT_LIMIT,
) -> Page:
    return Page(page, limit)


Paging = Annotated[Page, Depends(_page)]


def describe_page(
    request: Request,
    response: Response,
    page: Page,
    total: int | None,
    *,
    after: object | None = BY_NUMBER,
    has_next: bool = False,
) -> None:
    """Set the headers `X-Total-Count` and `Link` (RFC 8288) of a list response.

    `total` is None if it is unknown; `X-Total-Count` is left out then. Lists that seek by key instead of skipping rows
    pass `after`: the cursor of the next page, or None on the last page. Other lists without a total pass `has_next`.
    """
    last = page.number if total is None else max(1, -(-total // page.limit))
    targets: dict[str, dict[str, object]] = {"first": {"page": 1}}
    if total is not None:
        targets["last"] = {"page": last}
        response.headers["X-Total-Count"] = str(total)
    if page.number > 1:
        targets["prev"] = {"page": min(page.number - 1, last)}
    if after is BY_NUMBER:
        if page.number < last or has_next:
            targets["next"] = {"page": page.number + 1}
    elif after is not None:
        targets["next"] = {"page": page.number + 1, "after": after}
    response.headers["Link"] = ", ".join(
        f'<{_url(request, {**parameters, "limit": page.limit})}>; rel="{name}"' for name, parameters in targets.items()
    )


def _url(request: Request, parameters: Mapping[str, object]) -> str:
    """The request's URL with other paging parameters."""
    # Not `request.url`: its path is decoded, and a lead's id may contain "?".
    base = f"{request.base_url.scheme}://{request.base_url.netloc}{quote(request.scope['path'])}"
    kept = [(name, value) for name, value in request.query_params.multi_items() if name not in {*parameters, "after"}]
    return f"{base}?{urlencode([*kept, *parameters.items()])}"
