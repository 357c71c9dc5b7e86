"""The options of an import of events: how its file is to be read."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from leadvibe.core.http.problems import Invalid
from leadvibe.identity.aliases import STRENGTH
from leadvibe.ingest.csv_delimiter import read_delimiter
from leadvibe.ingest.csv_times import read_zone

EVENT_COLUMNS: Final = ("event_type", "lead_id", "timestamp", "metadata", "idempotency_key", "event_id")
FIELDS: Final = (*EVENT_COLUMNS, *STRENGTH)
"""What a column can contain."""
REST: Final = "rest"
_FOR_ONE_ROW: Final = frozenset({"idempotency_key", "event_id"})
"""Fields that make no sense as a constant: the same key on every row leaves one event."""

_encoder = msgspec.msgpack.Encoder()


@dataclass(frozen=True, slots=True)
class ImportOptions:
    columns: Mapping[str, str] = field(default_factory=dict[str, str])
    """Column, in lower case → field."""
    constants: Mapping[str, str] = field(default_factory=dict[str, str])
    """Field → value of the rows that have none."""
    keep_rest: bool = False
    """Keep the other columns as metadata."""
    zone: ZoneInfo | None = None
    """The zone of times without one."""
    delimiter: str | None = None
    """None: it is found."""
    skip_triggers: bool = False

    @property
    def digest(self) -> bytes:
        """SHA-256 of the options: two imports of a file are the same request only if their options are equal."""
        zone = None if self.zone is None else self.zone.key
        mappings = sorted(self.columns.items()), sorted(self.constants.items())
        return sha256(_encoder.encode((*mappings, self.keep_rest, zone, self.delimiter, self.skip_triggers))).digest()


def read_options(
    *,
    columns: Iterable[str] = (),
    constants: Iterable[str] = (),
    metadata: str | None = None,
    timezone: str | None = None,
    delimiter: str | None = None,
    skip_triggers: bool = False,
) -> ImportOptions:
    """The options as a user writes them. Raises Invalid, which names the option."""
    if metadata not in {None, REST}:
        raise Invalid.field("metadata", f"must be {REST!r}")
    return ImportOptions(
        columns=_read_columns(columns),
        constants=_read_constants(constants),
        keep_rest=metadata == REST,
        zone=None if timezone is None else read_zone(timezone),
        delimiter=None if delimiter is None else read_delimiter(delimiter),
        skip_triggers=skip_triggers,
    )


def _read_columns(pairs: Iterable[str]) -> dict[str, str]:
    columns: dict[str, str] = {}
    for pair in pairs:
        # At the last sign, because the name of a column may contain one.
        column, sign, name = (part.strip() for part in pair.rpartition("="))
        column = column.lower()
        if not sign or not column:
            raise Invalid.field("map", f"{pair!r} must have the form COLUMN=FIELD, like created_at=timestamp")
        _check_field("map", name)
        if column in columns or name in columns.values():
            raise Invalid.field("map", f"{column if column in columns else name!r} is mapped twice")
        columns[column] = name
    return columns


def _read_constants(pairs: Iterable[str]) -> dict[str, str]:
    constants: dict[str, str] = {}
    for pair in pairs:
        name, _, value = (part.strip() for part in pair.partition("="))
        if not value:
            raise Invalid.field("set", f"{pair!r} must have the form FIELD=VALUE, like event_type=open")
        _check_field("set", name)
        if name in _FOR_ONE_ROW:
            raise Invalid.field("set", f"{name} can't be the same in every row")
        if name in constants:
            raise Invalid.field("set", f"{name} is set twice")
        constants[name] = value
    return constants


def _check_field(option: str, name: str) -> None:
    if name not in FIELDS:
        raise Invalid.field(option, f"{name!r} is not a field of an event; the fields are {', '.join(FIELDS)}")
