"""All configurations that an OU has had, in memory."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any, NamedTuple

from leadvibe.engine import Configuration, Version
from leadvibe.engine.instants import Instant
from leadvibe.rulesets.parts import PartKey, Parts


class PartChange(NamedTuple):
    """A version's change of one part; None if the version removes it."""

    version: int
    key: PartKey
    part: Any


class ConfigurationHistory(Mapping[int, Configuration]):
    """Configurations by version, stored as the changes of their parts: most edits change one rule of many.

    Versions can only be added, and a history that plans are made from stays as it is: add them to a copy.
    """

    def __init__(self) -> None:
        self._newest = 0
        self._changes = defaultdict[PartKey, list[tuple[int, Any]]](list)
        """By part, oldest first."""

    def copy(self) -> "ConfigurationHistory":
        copied = ConfigurationHistory()
        copied._newest = self._newest
        copied._changes.update((key, [*changes]) for key, changes in self._changes.items())
        return copied

    def __getitem__(self, version: int) -> Configuration:
        if not 0 < version <= self._newest:
            raise KeyError(version)
        return self._parts(version).configuration()

    def __iter__(self) -> Iterator[int]:
        return iter(range(1, self._newest + 1))

    def __len__(self) -> int:
        return self._newest

    def add(self, created: Mapping[int, Instant], changes: Iterable[PartChange]) -> Iterator[Version]:
        """Add the next versions, given by their instants, with their changes in order. Returns them one by one."""
        parts = self._parts(self._newest)
        by_version = {version: list(group) for version, group in groupby(changes, key=lambda change: change.version)}
        for version, created_at in created.items():
            for _, key, part in by_version.get(version, ()):
                self._changes[key].append((version, part))
                parts.put(key, part)
            self._newest = version
            yield Version(version, created_at, parts.configuration())

    def _parts(self, version: int) -> Parts:
        parts = Parts()
        for key, changes in self._changes.items():
            index = bisect_right(changes, version, key=lambda change: change[0])
            if index:
                parts.put(key, changes[index - 1][1])
        return parts
