"""HTTP client of a running server, for commands; authenticates by an API credential or a personal token."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, Final

import httpx
import typer

from leadvibe.config import settings
from leadvibe.core.command_error import CommandError
from leadvibe.server.first_start import first_start_file, load

TIMEOUT_SECONDS: Final = 60.0

Url = Annotated[
    str | None, typer.Option(envvar="LEADVIBE_URL", help="The server's URL. Default: from the first-start file.")
]
Key = Annotated[
    str | None,
    typer.Option(
        envvar="LEADVIBE_KEY",
        help="An API credential as ID:SECRET, or a personal token. Default: from the first-start file.",
    ),
]
Unit = Annotated[str | None, typer.Option(help="The OU, for a personal token of a member with several OUs.")]


class RequestFailed(CommandError):
    """The server answered with an error; the message is the server's."""


class ResourceNotFound(RequestFailed):
    exit_code = 4


class Server:
    """A server and a key; by default those of the first-start file."""

    def __init__(self, url: str | None, key: str | None, unit: str | None) -> None:
        first = load(settings().data_dir) if url is None or key is None else None
        url = url or (first and first.url)
        key = key or (first and f"{first.client_id}:{first.client_secret}")
        if url is None or key is None:
            raise CommandError(
                f"No first-start file at {first_start_file(settings().data_dir)}; pass --url and --key, "
                "or set LEADVIBE_URL and LEADVIBE_KEY."
            )
        name, colon, secret = key.partition(":")
        if unit is not None and colon:
            raise CommandError("--unit can only be used with a personal token; an API credential belongs to one OU.")
        self._http = httpx.Client(
            base_url=url,
            timeout=TIMEOUT_SECONDS,
            auth=(name, secret) if colon else None,
            headers={} if colon else {"Authorization": f"Bearer {key}"},
        )
        if unit is not None:
            self._http.headers["X-OU-ID"] = unit

    def get(self, path: str, **parameters: Any) -> Any:
        return self._request("GET", path, params=_without_none(parameters))

    def post(self, path: str, **body: Any) -> Any:
        return self._request("POST", path, **body)

    def delete(self, path: str) -> Any:
        return self._request("DELETE", path)

    def count(self, path: str, **parameters: Any) -> int | None:
        """The number of rows of a list; None if the server doesn't report it."""
        options = {"params": _without_none(parameters | {"limit": 1}), "headers": {"Prefer": "count=exact"}}
        with self._response("GET", path, **options) as response:
            total = response.headers.get("X-Total-Count")
        return None if total is None else int(total)

    def stream(self, path: str, **parameters: Any) -> Generator[bytes]:
        """The response body in chunks as they arrive."""
        with self._response("GET", path, params=_without_none(parameters)) as response:
            yield from response.iter_bytes()

    def _request(self, method: str, path: str, **options: Any) -> Any:
        with self._response(method, path, **options) as response:
            response.read()
            return response.json()

    @contextmanager
    def _response(self, method: str, path: str, **options: Any) -> Generator[httpx.Response]:
        problem = "can't be reached"
        try:
            with self._http.stream(method, path, **options) as response:
                problem = "closed the connection"
                if not response.is_success:
                    response.read()
                    raise (ResourceNotFound if response.status_code == 404 else RequestFailed)(_reason(response))
                yield response
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise CommandError(f"{self._http.base_url} {problem}: {error or type(error).__name__}") from None


def _without_none(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if value is not None}


def _reason(response: httpx.Response) -> str:
    try:
        return str(response.json()["detail"])
    except (ValueError, LookupError, TypeError):  # a proxy's error page
        return f"{response.url} answered {response.status_code} {response.reason_phrase}"
