"""What routes share: pages, the `Prefer` header, list and change responses."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import quote, urlencode

from fastapi import Depends, Query, Request, Response

DEFAULT_LIMIT = 50
MAXIMUM_LIMIT = 500

BY_NUMBER: Final = object()


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list; pages count from 1."""

    number: int
    limit: int

    @property
    def offset(self) -> int:
        return (self.number - 1) * self.limit


def _page(
    page: Annotated[int, Query(ge=1, le=1_000_000, description="Which page, from 1")] = 1,
    limit: Annotated[int, Query(ge=1, le=MAXIMUM_LIMIT, description="Rows a page")] = DEFAULT_LIMIT,
) -> Page:
    return Page(page, limit)


Paging = Annotated[Page, Depends(_page)]


def describe_page(
    request: Request, response: Response, page: Page, total: int | None, *, after: object | None = BY_NUMBER
) -> None:
    """Say in `X-Total-Count` and `Link` (RFC 8288) where this page stands among all.

    `after` is where the next page goes on, for lists that then seek by key instead of skipping rows: None if nothing
    follows, however many rows have come before meanwhile. Where nobody knows the total, no header tells it.
    """
    last = page.number if total is None else max(1, -(-total // page.limit))
    targets: dict[str, dict[str, object]] = {"first": {"page": 1}}
    if total is not None:
        targets["last"] = {"page": last}
        response.headers["X-Total-Count"] = str(total)
    if page.number > 1:
        targets["prev"] = {"page": min(page.number - 1, last)}
    if after is BY_NUMBER:
        if page.number < last:
            targets["next"] = {"page": page.number + 1}
    elif after is not None:
        targets["next"] = {"page": page.number + 1, "after": after}
    response.headers["Link"] = ", ".join(
        f'<{_address(request, {**place, "limit": page.limit})}>; rel="{name}"' for name, place in targets.items()
    )


def _address(request: Request, place: Mapping[str, object]) -> str:
    """The request's own address at another place in the list."""
    # `request.url` holds the path decoded, where a lead's id may look like a query.
    here = f"{request.base_url.scheme}://{request.base_url.netloc}{quote(request.scope['path'])}"
    same = [(name, value) for name, value in request.query_params.multi_items() if name not in {*place, "after"}]
    return f"{here}?{urlencode([*same, *place.items()])}"
