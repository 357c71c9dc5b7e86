"""What the columns of a CSV of leads are: checked against its header, then applied to its rows."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leadvibe.core.http.problems import Invalid
from leadvibe.identity.aliases import STRENGTH, AliasKind, Identifier, normalize
from leadvibe.leads.metadata import stored_form


@dataclass(frozen=True, slots=True)
class ImportLeads:
    """Import a file's leads; what is of no lead in it, the names of its columns, may stand here."""

    file_id: str
    column: str
    """The primary identifier's."""
    kind: AliasKind
    fields: dict[str, str]
    aliases: dict[str, AliasKind]


@dataclass(frozen=True, slots=True)
class LeadRow:
    aliases: list[Identifier]
    """The primary identifier first, the others after it, the strongest first."""
    fields: dict[str, Any]


def check(wanted: ImportLeads, headers: Sequence[str]) -> None:
    """Refuse columns that the file doesn't have, and those that are said to be two things."""
    places = {"primary_identifier.column": wanted.column}
    places |= {f"field_mappings.{column}": column for column in wanted.fields}
    places |= {f"alias_mappings.{column}": column for column in wanted.aliases}
    uses, targets = Counter(places.values()), Counter(wanted.fields.values())
    mistakes: dict[str, str] = {}
    for place, column in places.items():
        if column not in headers:
            mistakes[place] = "the file has no such column"
        elif uses[column] > 1 and place != "primary_identifier.column":
            mistakes[place] = "the column is mapped twice"
        elif place.startswith("field_") and targets[wanted.fields[column]] > 1:
            mistakes[place] = f"another column is mapped to {wanted.fields[column]} too"
    if mistakes:
        raise Invalid("; ".join(f"{place}: {mistake}" for place, mistake in mistakes.items()), fields=mistakes)


class Columns:
    """Reads rows as the mapping says."""

    def __init__(self, wanted: ImportLeads, headers: Sequence[str]) -> None:
        self._width = len(headers)
        self._primary = wanted.column
        others = sorted(wanted.aliases.items(), key=lambda alias: STRENGTH.index(alias[1]))
        self._aliases: list[tuple[str, int, AliasKind]] = [
            (wanted.column, headers.index(wanted.column), wanted.kind),
            *((column, headers.index(column), kind) for column, kind in others),
        ]
        self._fields = [(name, headers.index(column)) for column, name in wanted.fields.items()]

    def read(self, cells: Sequence[str]) -> LeadRow:
        """The row's lead; an empty cell says nothing. A Problem or ValueError where something in it is wrong."""
        if len(cells) > self._width:
            raise ValueError(f"has {len(cells)} cells, and the header {self._width}")
        said = [cell.strip() for cell in cells] + [""] * (self._width - len(cells))
        found: dict[tuple[AliasKind, str], Identifier] = {}
        for column, place, kind in self._aliases:
            if column == self._primary and not said[place]:
                raise ValueError(f"{column}: is empty, and names the lead")
            if said[place]:
                alias = _alias(column, kind, said[place])
                found.setdefault((alias.kind, alias.value), alias)
        return LeadRow(
            list(found.values()), _fields({name: said[place] for name, place in self._fields if said[place]})
        )


def _alias(column: str, kind: AliasKind, raw_value: str) -> Identifier:
    try:
        return Identifier(kind, normalize(kind, raw_value), raw_value)
    except ValueError as error:
        raise ValueError(f"{column}: {error}") from None


def _fields(said: Mapping[str, str]) -> dict[str, Any]:
    return stored_form(dict(said)) if said else {}
