"""An outside issuer of access tokens."""

from collections.abc import Generator

import pytest

from leadvibe.access.authentication import external_issuer
from leadvibe.config import settings
from support.issuer import NAME, Issuer


@pytest.fixture
def issuer(monkeypatch: pytest.MonkeyPatch) -> Generator[Issuer]:
    with Issuer() as own:
        own.add_rsa("first")
        monkeypatch.setenv("LEADVIBE_JWKS_URL", own.url)
        monkeypatch.setenv("LEADVIBE_JWKS_ISSUER", NAME)
        monkeypatch.setenv("LEADVIBE_JWKS_AUDIENCE", "leadvibe")
        settings.cache_clear()
        yield own
        monkeypatch.undo()
        settings.cache_clear()
        external_issuer.key_set.cache_clear()
