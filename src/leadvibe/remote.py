"""A running server, as commands ask it: over HTTP, by a credential or a personal token."""

from typing import Any, Final

import httpx

from leadvibe.config import settings
from leadvibe.core.startup import CannotStart
from leadvibe.first_start import note, remembered

PATIENCE: Final = 60.0


class Refused(CannotStart):
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
            raise CannotStart(
                f"There is nothing to read in {note(settings().data_dir)}: say which server with --url and --key, "
                "or LEADVIBE_URL and LEADVIBE_KEY."
            )
        name, colon, secret = key.partition(":")
        self._http = httpx.Client(
            base_url=url,
            timeout=PATIENCE,
            auth=(name, secret) if colon else None,
            headers={} if colon else {"Authorization": f"Bearer {key}"},
        )
        if unit is not None:
            self._http.headers["X-OU-ID"] = unit

    def get(self, path: str, **parameters: Any) -> Any:
        said = {name: value for name, value in parameters.items() if value is not None}
        return self._ask("GET", path, params=said)

    def post(self, path: str, **body: Any) -> Any:
        return self._ask("POST", path, **body)

    def delete(self, path: str) -> Any:
        return self._ask("DELETE", path)

    def _ask(self, method: str, path: str, **what: Any) -> Any:
        try:
            response = self._http.request(method, path, **what)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise CannotStart(f"{self._http.base_url} doesn't answer: {error}") from None
        if response.is_success:
            return response.json()
        raise (Missing if response.status_code == 404 else Refused)(_reason(response))


def _reason(response: httpx.Response) -> str:
    try:
        return str(response.json()["detail"])
    except (ValueError, LookupError, TypeError):  # whoever stands before the server
        return f"{response.url} answers {response.status_code} {response.reason_phrase}"
