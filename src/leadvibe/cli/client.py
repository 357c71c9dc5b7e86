"""A running server, as commands ask it: over HTTP, by a credential or a personal token."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, Final

import httpx
import typer

from leadvibe.config import settings
from leadvibe.core.command_error import CommandError
from leadvibe.server.first_start import note, remembered

PATIENCE: Final = 60.0

Url = Annotated[
    str | None, typer.Option(envvar="LEADVIBE_URL", help="The server; by default the one that was started here.")
]
Key = Annotated[str | None, typer.Option(envvar="LEADVIBE_KEY", help="A credential's ID:SECRET, or a personal token.")]
Unit = Annotated[str | None, typer.Option(help="The OU, for a token of somebody who has several.")]


class Refused(CommandError):
    """What the server said no to, in its words."""


class Missing(Refused):
    exit_code = 4


class Server:
    """Where it is and who asks; unless that is said, the first start's note says it."""

    def __init__(self, url: str | None, key: str | None, unit: str | None) -> None:
        first = remembered(settings().data_dir) if url is None or key is None else None
        url = url or (first and first.url)
        key = key or (first and f"{first.client_id}:{first.client_secret}")
        if url is None or key is None:
            raise CommandError(
                f"There is nothing to read in {note(settings().data_dir)}: say which server with --url and --key, "
                "or LEADVIBE_URL and LEADVIBE_KEY."
            )
        name, colon, secret = key.partition(":")
        if unit is not None and colon:
            raise CommandError("--unit goes with a personal token (--key): a credential is of one OU.")
        self._http = httpx.Client(
            base_url=url,
            timeout=PATIENCE,
            auth=(name, secret) if colon else None,
            headers={} if colon else {"Authorization": f"Bearer {key}"},
        )
        if unit is not None:
            self._http.headers["X-OU-ID"] = unit

    def get(self, path: str, **parameters: Any) -> Any:
        return self._ask("GET", path, params=_said(parameters))

    def post(self, path: str, **body: Any) -> Any:
        return self._ask("POST", path, **body)

    def delete(self, path: str) -> Any:
        return self._ask("DELETE", path)

    def count(self, path: str, **parameters: Any) -> int | None:
        """How many rows a list has; None where the server doesn't say."""
        wanted = {"params": _said(parameters | {"limit": 1}), "headers": {"Prefer": "count=exact"}}
        with self._answer("GET", path, **wanted) as response:
            told = response.headers.get("X-Total-Count")
        return None if told is None else int(told)

    def pieces(self, path: str, **parameters: Any) -> Generator[bytes]:
        """What it answers, as it arrives."""
        with self._answer("GET", path, params=_said(parameters)) as response:
            yield from response.iter_bytes()

    def _ask(self, method: str, path: str, **what: Any) -> Any:
        with self._answer(method, path, **what) as response:
            response.read()
            return response.json()

    @contextmanager
    def _answer(self, method: str, path: str, **what: Any) -> Generator[httpx.Response]:
        trouble = "doesn't answer"
        try:
            with self._http.stream(method, path, **what) as response:
                trouble = "broke off"
                if not response.is_success:
                    response.read()
                    raise (Missing if response.status_code == 404 else Refused)(_reason(response))
                yield response
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise CommandError(f"{self._http.base_url} {trouble}: {error or type(error).__name__}") from None


def _said(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if value is not None}


def _reason(response: httpx.Response) -> str:
    try:
        return str(response.json()["detail"])
    except (ValueError, LookupError, TypeError):  # whoever stands before the server
        return f"{response.url} answers {response.status_code} {response.reason_phrase}"
