"""All settings, read from `LEADVIBE_…` environment variables."""

import os
import re
from datetime import timedelta
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

SECONDS = re.compile(r"\d+(\.\d+)?")


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
    database_pool_size: int = Field(default=10, ge=1)
    database_reserved_connections: int = Field(default=3, ge=1)
    """Connections of an API process that only ingest may use, and as many for sign-in and readiness."""

    # Bounded work
    request_timeout: timedelta = Field(default=timedelta(seconds=60), gt=timedelta(0))
    """How long a request may take until its response starts; then its work is stopped and it is answered with 503."""
    expensive_operations: int = Field(default=8, ge=1)
    """Maximum number of simulations, rule tests, previews, exports, imports and merges at once in one API process."""
    expensive_operations_per_unit: int = Field(default=4, ge=1)
    """Maximum number of these that one OU may run at once in one API process."""
    simulation_events: int = Field(default=50_000, ge=0)
    """A simulation of an OU with more leads, or over more events, is a background job."""
    # Limits of the draft of a simulation
    simulation_days: int = Field(default=3650, ge=1, le=36_500)
    simulation_rules: int = Field(default=1_000, ge=0)
    simulation_filter_values: int = Field(default=10_000, ge=0)
    """Maximum number of values in the attribute filters of a draft, over all its rules."""
    simulation_decays: int = Field(default=100, ge=0)
    simulation_decay_steps: int = Field(default=100_000, ge=0)
    """Maximum number of times that the decay rules of a draft may fall due within its `days`."""

    # Processes
    api_processes: int = 1
    worker_processes: int = 1

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

    @field_validator("request_timeout", mode="before")
    @classmethod
    def _read_seconds(cls, value: object) -> object:
        """Also accept a number of seconds. Otherwise pydantic accepts one only if it is no text."""
        return float(value) if isinstance(value, str) and SECONDS.fullmatch(value) else value

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
