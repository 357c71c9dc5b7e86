"""Digests of generated secrets: the database stores these instead of the secrets."""

import hashlib


def secret_digest(secret: str) -> bytes:
    """SHA-256: enough for a long random secret, and fast enough for every request."""
    return hashlib.sha256(secret.encode()).digest()
