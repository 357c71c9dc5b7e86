"""Every setting of the program, once: `LEADVIBE_…` in the environment."""

import os
from datetime import timedelta
from functools import cache
from pathlib import Path

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


def default_data_dir() -> Path:
    """Where data lives when nobody says: PostgreSQL can't run as root, so root gets a place other users may enter."""
    if os.geteuid() == 0:
        return Path("/var/lib/leadvibe")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "leadvibe"


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="LEADVIBE_", extra="ignore", frozen=True)

    # Where it runs
    host: str = "127.0.0.1"
    port: int = Field(default=8000, validation_alias=AliasChoices("LEADVIBE_PORT", "PORT"))
    public_url: str | None = None
    """How clients reach the server, when that differs from http://host:port."""
    data_dir: Path = Field(default_factory=default_data_dir)
    log_level: str = "INFO"
    log_json: bool | None = None
    """JSON lines; by default unless standard error is a terminal."""

    # The database
    database_url: str | None = None
    """`postgresql://user:password@host:port/name`; without it the program runs its own PostgreSQL in `data_dir`."""
    database_pool_size: int = 10

    # Processes
    api_processes: int = 1
    worker_processes: int = 1

    # The first start
    admin_email: str | None = None
    admin_password: SecretStr | None = None
    organization_name: str | None = None
    unit_name: str | None = None

    # Who gets in
    secret_key: SecretStr | None = None
    """Signs access tokens and cookies; by default a key made once and kept in `data_dir`."""
    access_token_lifetime: timedelta = timedelta(minutes=15)
    refresh_token_lifetime: timedelta = timedelta(days=30)
    active_unit_lifetime: timedelta = timedelta(days=30)
    jwks_url: str | None = None
    """Where an outside token issuer publishes its keys; unset, only our own tokens are accepted."""
    jwks_issuer: str | None = None
    jwks_audience: str | None = None
    stream_open: bool = False
    """Let `/stream?ouId=…` in without authentication, as LeadVibe 1.0.0 does."""

    # The event road
    ingest_buffer_events: int = 20_000
    """Events that may wait for a flush in one API process before it answers 503."""
    worker_batch_events: int = 2_000
    monthly_event_limit: int | None = None
    """The plan's events a month, over all OUs of an organization. More are told as overage, never refused."""

    # The stream
    stream_keepalive: timedelta = timedelta(seconds=15)
    frame_lifetime: timedelta = timedelta(hours=1)

    @property
    def embedded(self) -> bool:
        """Whether the program runs its own PostgreSQL."""
        return self.database_url is None


@cache
def settings() -> Settings:
    return Settings()
