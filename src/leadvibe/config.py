"""All settings, read from `LEADVIBE_…` environment variables."""

import os
from datetime import timedelta
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


def default_data_dir() -> Path:
    """The default data directory; for root a folder that other users may enter, as PostgreSQL can't run as root."""
    if os.geteuid() == 0:
        return Path("/var/lib/leadvibe")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "leadvibe"


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="LEADVIBE_", extra="ignore", frozen=True)

    # Addresses and files
    host: str = "127.0.0.1"
    port: int = Field(default=8000, validation_alias=AliasChoices("LEADVIBE_PORT", "PORT"))
    public_url: str | None = None
    """The URL by which clients reach the server, if it is not http://host:port. The server uses it in links and
    redirects, and marks cookies as `Secure` if it is https. It has no path."""
    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = ()
    """Addresses and networks of the proxies whose `Forwarded` or `X-Forwarded-…` headers count, separated by commas."""
    data_dir: Path = Field(default_factory=default_data_dir)
    log_level: str = "INFO"
    log_json: bool | None = None
    """Log JSON lines; by default, unless standard error is a terminal."""

    # The database
    database_url: str | None = None
    """`postgresql://user:password@host:port/name`; unset, the program runs its own PostgreSQL in `data_dir`."""
    database_pool_size: int = 10

    # Processes
    api_processes: int = 1
    worker_processes: int = 1
    shutdown_timeout: timedelta = Field(default=timedelta(seconds=15), ge=timedelta(seconds=1))
    """How long a process may take to end after SIGTERM, whatever its database does. Then it exits without cleaning
    up. Of `leadvibe serve` it is the time of all processes together."""
    watchdog_timeout: timedelta = Field(default=timedelta(seconds=30), ge=timedelta(seconds=1))
    """How long the event loop of a process may stand still before `leadvibe serve` kills and restarts the process."""
    worker_stall_timeout: timedelta = Field(default=timedelta(seconds=60), ge=timedelta(seconds=1))
    """`/readyz` answers 503 if no worker has read the inbox for this long, and an event has waited for as long."""

    # The first start
    admin_email: str | None = None
    admin_password: SecretStr | None = None
    organization_name: str | None = None
    unit_name: str | None = None

    # Authentication
    secret_key: SecretStr | None = None
    """Signs access tokens and cookies; by default a key that is generated once and stored in `data_dir`."""
    access_token_lifetime: timedelta = timedelta(minutes=15)
    refresh_token_lifetime: timedelta = timedelta(days=30)
    active_unit_lifetime: timedelta = timedelta(days=30)
    jwks_url: str | None = None
    """The key set URL of an external token issuer; unset, only this server's tokens are accepted."""
    jwks_issuer: str | None = None
    jwks_audience: str | None = None
    stream_open: bool = False
    """Allow `/stream?ouId=…` without authentication, as LeadVibe 1.0.0 does."""

    # Ingestion and scoring
    ingest_buffer_events: int = 20_000
    """Maximum number of events that wait to be saved in one API process; then it answers 503."""
    ingest_flush_timeout: timedelta = Field(default=timedelta(seconds=5), ge=timedelta(milliseconds=100))
    """How long storing accepted events may take before the request is answered 503. A client that sends them again
    with their idempotency keys is safe, should they be stored later after all."""
    lead_import_rows: int = 500_000
    """Maximum number of rows in a file of leads (`POST /leads/import/preview`)."""
    max_import_bytes: int = 4 * 1024**3
    """Maximum size of a CSV file of events in an upload. The file waits in a temporary file while it arrives."""
    worker_batch_events: int = 2_000
    placeholder_identifiers: str = ""
    """More texts that are not identifiers, such as `test,guest`, separated by commas. Upper and lower case match."""
    monthly_event_limit: int | None = None
    """The organization's monthly number of events, over all OUs. More events are reported as overage, not refused."""

    # Stream
    stream_keepalive: timedelta = timedelta(seconds=15)
    frame_lifetime: timedelta = timedelta(hours=1)

    @field_validator("public_url")
    @classmethod
    def _read_public_url(cls, value: str | None) -> str | None:
        if not value:
            return None
        url = urlsplit(value.rstrip("/"))
        if url.scheme not in {"http", "https"} or not url.hostname or url.geturl() != f"{url.scheme}://{url.netloc}":
            raise ValueError("must be a URL without a path, like https://leads.example.com")
        return url.geturl()

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _read_trusted_proxies(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(ip_network(item.strip(), strict=False) for item in value.split(",") if item.strip())

    @property
    def embedded(self) -> bool:
        """Whether the program runs its own PostgreSQL."""
        return self.database_url is None


@cache
def settings() -> Settings:
    return Settings()
