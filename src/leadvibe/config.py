"""All settings, read from `LEADVIBE_…` environment variables."""

import os
import re
from datetime import timedelta
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import quote, urlsplit

from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

MIN_SECRET_KEY_BYTES = 32
SECONDS = re.compile(r"\d+(\.\d+)?")


def default_data_dir() -> Path:
    """The default data directory; for root a folder that other users may enter, as PostgreSQL can't run as root."""
    if os.geteuid() == 0:
        return Path("/var/lib/leadvibe")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "leadvibe"


SECRETS_DIR = Path("/run/secrets")
"""Where containers find secrets: a file `leadvibe_secret_key` holds the setting LEADVIBE_SECRET_KEY."""


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="LEADVIBE_", extra="ignore", frozen=True, secrets_dir=SECRETS_DIR if SECRETS_DIR.is_dir() else None
    )

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

    log_paths: bool = False
    """Log the paths of requests, with the ids of leads in them, instead of the templates of their routes."""

    # The database
    database_url: str | None = None
    """`postgresql://user:password@host:port/name`; unset, the program runs its own PostgreSQL in `data_dir`."""
    database_password: SecretStr | None = None
    """The password, if `database_url` contains none."""
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
    """Signs access tokens and cookies; by default a key that is generated once and stored in `data_dir`. At least 32
    bytes."""
    access_token_lifetime: timedelta = timedelta(minutes=15)
    refresh_token_lifetime: timedelta = timedelta(days=30)
    active_unit_lifetime: timedelta = timedelta(days=30)
    sign_in_failures: int = Field(default=10, ge=1)
    """Maximum number of wrong passwords for an account from one address within `sign_in_failure_window`."""
    sign_in_failures_per_address: int = Field(default=100, ge=1)
    """Maximum number of wrong passwords from one address, for any accounts."""
    sign_in_failure_window: timedelta = Field(default=timedelta(minutes=15), gt=timedelta(0))
    jwks_url: str | None = None
    """The key set URL of an external token issuer; unset, only this server's tokens are accepted. It also needs
    `jwks_issuer` and `jwks_audience`."""
    jwks_issuer: str | None = None
    jwks_audience: str | None = None
    stream_open: bool = False
    """Allow `/stream?ouId=…` without authentication, as LeadVibe 1.0.0 does."""

    # Ingestion and scoring
    ingest_buffer_events: int = 20_000
    """Maximum number of events that wait to be saved in one API process; then it answers 503."""
    ingest_answer_lifetime: timedelta = timedelta(days=1)
    """How long a batch or import that is sent again with its `Idempotency-Key` gets the answer of the first time."""
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

    # Limits. A request that would exceed one is answered with 409, or with 413 if it counts bytes.
    max_units: int = 1_000
    """Maximum number of OUs in an organization."""
    max_members: int = 10_000
    """Maximum number of members of an organization."""
    max_credentials: int = 200
    """Maximum number of API credentials of an OU."""
    max_personal_tokens: int = 100
    """Maximum number of personal tokens of a member."""
    max_rulesets: int = 100
    """Maximum number of rulesets of an OU."""
    max_rules: int = 5_000
    """Maximum number of rules of an OU."""
    max_decays: int = 100
    """Maximum number of decay rules of an OU."""
    max_filters: int = 1_000
    """Maximum number of velocity filters of an OU."""
    max_configuration_bytes: int = 1024**2
    """Maximum size of the scoring configuration of an OU, as JSON."""
    max_lead_import_files: int = 20
    """Maximum number of uploaded files of leads that wait in an OU. Each is deleted after an hour."""

    # Connections, per API process
    max_connections: int = 1_000
    """Maximum number of open connections, streams included; more are refused with 503."""
    max_headers: int = 100
    """Maximum number of headers of a request; more are refused with 431."""
    max_header_bytes: int = 32 * 1024
    """Maximum size of the path and the headers of a request; more is refused with 431."""
    request_head_timeout: timedelta = timedelta(seconds=10)
    """How long a client may take to send the path and the headers; then its connection is closed."""
    request_body_timeout: timedelta = timedelta(seconds=30)
    """How long a client may pause while it sends a body; then its connection is closed."""
    response_timeout: timedelta = timedelta(seconds=30)
    """How long a client may read nothing of a response; then its connection is closed."""

    # Stream
    stream_keepalive: timedelta = timedelta(seconds=15)
    frame_lifetime: timedelta = timedelta(hours=1)

    @model_validator(mode="before")
    @classmethod
    def _add_database_password(cls, values: dict[str, Any]) -> dict[str, Any]:
        url, password = values.get("database_url"), values.get("database_password")
        if not url or not password:
            return values
        text = password.get_secret_value() if isinstance(password, SecretStr) else str(password)
        parts = urlsplit(str(url))
        user, _, host = parts.netloc.rpartition("@")
        if user and ":" not in user:
            parts = parts._replace(netloc=f"{user}:{quote(text.strip(), safe='')}@{host}")
        return {**values, "database_url": parts.geturl()}

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

    @field_validator("secret_key")
    @classmethod
    def _check_secret_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and 0 < len(value.get_secret_value().encode()) < MIN_SECRET_KEY_BYTES:
            raise ValueError(
                f"LEADVIBE_SECRET_KEY must have at least {MIN_SECRET_KEY_BYTES} bytes, like: openssl rand -base64 48"
            )
        return value

    @model_validator(mode="after")
    def _check_issuer(self) -> Self:
        """Without issuer and audience, tokens that the issuer made for other applications would work here."""
        if self.jwks_url and not (self.jwks_issuer and self.jwks_audience):
            missing = "LEADVIBE_JWKS_AUDIENCE" if self.jwks_issuer else "LEADVIBE_JWKS_ISSUER"
            raise ValueError(f"LEADVIBE_JWKS_URL also needs {missing}")
        return self

    @property
    def embedded(self) -> bool:
        """Whether the program runs its own PostgreSQL."""
        return self.database_url is None


@cache
def settings() -> Settings:
    return Settings()
