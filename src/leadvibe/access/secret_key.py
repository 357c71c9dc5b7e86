"""The server's secret key, and the keys derived from it, one for each purpose."""

import hashlib
import hmac
import secrets
from functools import cache

from leadvibe.config import settings
from leadvibe.core import private_files


@cache
def secret_key() -> str:
    """What is configured, else a key made once and kept in the data directory."""
    configured = settings().secret_key
    if configured is not None and configured.get_secret_value():
        return configured.get_secret_value()
    return private_files.write_once(settings().data_dir / "secret.key", secrets.token_urlsafe(48)).strip()


@cache
def key_for(purpose: str) -> bytes:
    """A key of its own for each purpose: what is signed for one is worthless for another."""
    return hmac.digest(secret_key().encode(), purpose.encode(), hashlib.sha256)
