"""An external token issuer for tests. It publishes keys on a local port and signs tokens with them."""

import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

NAME = "https://issuer.example"


class Issuer:
    """Counts the fetches of its keys. With `available = False` it responds with 500."""

    def __init__(self) -> None:
        self.published: list[Any] = []
        self.fetches = 0
        self.available = True
        self.redirects_to: str | None = None
        self._keys: dict[str, tuple[Any, str]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/keys"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def add_rsa(self, kid: str, bits: int = 2048, **fields: Any) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
        self._keys[kid] = (key, "RS256")
        self.published.append({**RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, **fields})

    def add_ec(self, kid: str) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        self._keys[kid] = (key, "ES256")
        self.published.append({**ECAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid})

    def token(self, kid: str, *, with_key_id: bool = True, **claims: Any) -> str:
        key, algorithm = self._keys[kid]
        headers = {"kid": kid} if with_key_id else None
        return jwt.encode(self.claims(**claims), key, algorithm, headers=headers)

    def claims(self, **claims: Any) -> dict[str, Any]:
        """The claims of a valid token, with the given ones replaced, or removed if None."""
        valid = {
            "iss": NAME,
            "aud": "leadvibe",
            "sub": "subject-1",
            "exp": datetime.now(UTC) + timedelta(minutes=5),
            "email": "viewer@acme.example",
            "email_verified": True,
            **claims,
        }
        return {name: value for name, value in valid.items() if value is not None}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.fetches += 1
                if issuer.redirects_to is not None:
                    self.send_response(302)
                    self.send_header("Location", issuer.redirects_to)
                else:
                    self.send_response(200 if issuer.available else 500)
                self.end_headers()
                self.wfile.write(json.dumps({"keys": issuer.published}).encode())

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
                """Log nothing."""

        return Handler
