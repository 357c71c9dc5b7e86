"""The server's secret key, and the keys derived from it."""

import hashlib
import hmac
import secrets
from functools import cache

from leadvibe.config import settings
from leadvibe.core import private_files


@cache
def secret_key() -> str:
    """The configured key, else a key that is generated once and stored in the data directory."""
    configured = settings().secret_key
    if configured is not None and configured.get_secret_value():
        return configured.get_secret_value()
    return private_files.write_once(settings().data_dir / "secret.key", secrets.token_urlsafe(48)).strip()


@cache
def key_for(purpose: str) -> bytes:
    """A separate key for each purpose: a signature made for one is not valid for another."""
    return hmac.digest(secret_key().encode(), purpose.encode(), hashlib.sha256)
