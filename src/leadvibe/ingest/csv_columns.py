"""The columns of a CSV of events: what each one contains, and the event that a row describes."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from leadvibe.core.http.problems import Invalid
from leadvibe.core.ids import read
from leadvibe.identity.aliases import STRENGTH, AliasKind
from leadvibe.ingest.csv_times import with_zone
from leadvibe.ingest.import_options import FIELDS, ImportOptions
from leadvibe.ingest.schemas import SentAlias, SentEvent
from leadvibe.ingest.validation import Accepted, accept

TIMESTAMP_COLUMNS: Final = ("occurred_at", "created_at", "time_stamp")
"""Read as `timestamp` if the file has no column of this name. The first one that exists counts."""
ERROR_COLUMN: Final = "import_error"
"""The column that a file of refused rows has in addition."""

_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encoder = msgspec.json.Encoder()


class Columns:
    """The columns that a header names. Raises Invalid if they can't be events."""

    def __init__(self, header: Sequence[str], options: ImportOptions) -> None:
        names = [name.lower() for name in header]
        for name, occurrences in Counter(names).items():
            if occurrences > 1:
                raise Invalid.field("file", f"must not have two columns named {name!r}")
        for column in options.columns:
            if column not in names:
                raise Invalid.field("map", f"the file has no column {column!r}")
        self._options = options
        self._width = len(names)
        self._positions = _positions(names, options)
        if "event_type" not in self._positions and "event_type" not in options.constants:
            raise Invalid.field(
                "event_type",
                "the header must have this column. The option `map` reads a column of another name, and `set` gives "
                "all rows the same event type",
            )
        self._id = names.index("id") if "id" in names and "id" not in options.columns else None
        used = {*self._positions.values()} | {at for at, name in enumerate(names) if name == ERROR_COLUMN}
        others = [(name, at) for at, name in enumerate(header) if at not in used]
        self._rest = others if options.keep_rest else []
        self.ignored = [] if options.keep_rest else [name for name, at in others if at != self._id]
        """The names of the columns that are not read."""

    def read(self, cells: Sequence[str], *, position_key: str | None, phone_region: str | None) -> Accepted:
        """The event of a row. An empty cell means that the field was not sent. Raises Problem."""
        if len(cells) > self._width:
            raise Invalid.field("row", f"has {len(cells)} cells, but the header has {self._width}")
        sent = dict(self._options.constants)
        sent |= {name: cells[at] for name, at in self._positions.items() if at < len(cells) and cells[at].strip()}
        aliases = [SentAlias(kind, sent[kind]) for kind in STRENGTH if kind in sent]
        fields: list[AliasKind] = [alias.alias_kind for alias in aliases]
        event = SentEvent(
            event_type=sent.get("event_type", ""),
            lead_id=sent.get("lead_id"),
            aliases=aliases,
            timestamp=with_zone(sent["timestamp"].strip(), self._options.zone) if "timestamp" in sent else None,
            metadata=msgspec.Raw(self._metadata(sent.get("metadata"), cells)),
            idempotency_key=sent.get("idempotency_key"),
            event_id=sent.get("event_id") or self._exported_id(cells),
        )
        return accept(
            event,
            position_key=position_key,
            skip_triggers=self._options.skip_triggers,
            alias_fields=fields,
            phone_region=phone_region,
        )

    def _exported_id(self, cells: Sequence[str]) -> str | None:
        """The id of an event of this server, as in its exports. A column `id` of another origin has no meaning."""
        value = "" if self._id is None or self._id >= len(cells) else cells[self._id].strip()
        return value if read("ev", value) is not None else None

    def _metadata(self, sent: str | None, cells: Sequence[str]) -> bytes:
        """The metadata of a row as JSON. A field of the column `metadata` wins over a column of the same name."""
        given = b"{}" if sent is None else sent.encode()
        rest: dict[str, Any] = {name: cells[at] for name, at in self._rest if at < len(cells) and cells[at]}
        if not rest:
            return given
        try:
            return _encoder.encode(rest | _decoder.decode(given))
        except (msgspec.DecodeError, RecursionError):
            return given  # its error is reported like that of any event


def _positions(names: Sequence[str], options: ImportOptions) -> dict[str, int]:
    """Field → position of its column."""
    positions = {field: names.index(column) for column, field in options.columns.items()}
    free = [name for name in names if name not in options.columns]
    positions |= {field: names.index(field) for field in FIELDS if field in free and field not in positions}
    if "timestamp" not in positions:
        dates = [name for name in TIMESTAMP_COLUMNS if name in free]
        if dates:
            positions["timestamp"] = names.index(dates[0])
    return positions
