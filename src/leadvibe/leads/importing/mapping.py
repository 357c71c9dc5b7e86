"""The column mapping of an import: checks it against the file's header and reads rows with it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leadvibe.core.http.problems import Invalid
from leadvibe.identity.aliases import STRENGTH, AliasKind, Identifier, normalize
from leadvibe.identity.identifiers import PlaceholderIdentifier
from leadvibe.ingest.metadata_field import read_metadata


@dataclass(frozen=True, slots=True)
class ImportLeads:
    """The job message that imports a file. It contains column names only, no values of leads."""

    file_id: str
    column: str
    """The column of the primary identifier."""
    kind: AliasKind
    """The kind of the primary identifier."""
    fields: dict[str, str]
    """Column → metadata field."""
    aliases: dict[str, AliasKind]
    """Column → kind of alias."""


@dataclass(frozen=True, slots=True)
class ImportedRow:
    aliases: list[Identifier]
    """The primary identifier, then the others, the strongest first."""
    fields: dict[str, Any]
    warnings: list[str]
    """About identifiers that were left out."""


def check_mapping(mapping: ImportLeads, headers: Sequence[str]) -> None:
    """Raises Invalid if a column is missing from the file or mapped twice, or if two columns map to one field."""
    columns = {"primary_identifier.column": mapping.column}
    columns |= {f"field_mappings.{column}": column for column in mapping.fields}
    columns |= {f"alias_mappings.{column}": column for column in mapping.aliases}
    uses, targets = Counter(columns.values()), Counter(mapping.fields.values())
    errors: dict[str, str] = {}
    for field, column in columns.items():
        if column not in headers:
            errors[field] = "the file has no such column"
        elif uses[column] > 1 and field != "primary_identifier.column":
            errors[field] = "the column is mapped twice"
        elif field.startswith("field_") and targets[mapping.fields[column]] > 1:
            errors[field] = f"another column is also mapped to {mapping.fields[column]}"
    if errors:
        raise Invalid("; ".join(f"{field}: {error}" for field, error in errors.items()), fields=errors)


class RowReader:
    """Reads the rows of one file by a mapping that was checked."""

    def __init__(self, mapping: ImportLeads, headers: Sequence[str], phone_region: str | None) -> None:
        self._phone_region = phone_region
        self._width = len(headers)
        self._primary = mapping.column
        others = sorted(mapping.aliases.items(), key=lambda alias: STRENGTH.index(alias[1]))
        self._aliases: list[tuple[str, int, AliasKind]] = [
            (mapping.column, headers.index(mapping.column), mapping.kind),
            *((column, headers.index(column), kind) for column, kind in others),
        ]
        self._fields = [(name, headers.index(column)) for column, name in mapping.fields.items()]

    def read(self, cells: Sequence[str]) -> ImportedRow:
        """Read a row; empty cells are ignored. Raises Problem or ValueError if the row can't be imported."""
        if len(cells) > self._width:
            raise ValueError(f"has {len(cells)} cells, but the header has {self._width}")
        values = [cell.strip() for cell in cells] + [""] * (self._width - len(cells))
        aliases: dict[tuple[AliasKind, str], Identifier] = {}
        warnings: list[str] = []
        for column, index, kind in self._aliases:
            if column == self._primary and not values[index]:
                raise ValueError(f"{column}: the primary identifier must not be empty")
            if not values[index]:
                continue
            try:
                value = normalize(kind, values[index], self._phone_region)
            except PlaceholderIdentifier as placeholder:
                if column == self._primary:
                    raise ValueError(f"{column}: {placeholder}") from None
                # The kind and not the column, which in a file without a header row may name a person.
                warnings.append(f"{kind}: {placeholder}; it was left out")
            except ValueError as error:
                raise ValueError(f"{column}: {error}") from None
            else:
                aliases.setdefault((kind, value), Identifier(kind, value, values[index]))
        fields = {name: values[index] for name, index in self._fields if values[index]}
        return ImportedRow(list(aliases.values()), _metadata(fields), warnings)


def _metadata(fields: Mapping[str, str]) -> dict[str, Any]:
    return read_metadata(dict(fields)) if fields else {}
