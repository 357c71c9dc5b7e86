"""Folds the case of ids and aliases, so that searches ignore it in every script."""

from typing import Final

MAX_LENGTH: Final = 500
"""Characters. Folding can make a text longer, and longer texts don't fit into an index."""


def fold_case(text: str) -> str:
    """The text in Unicode's case folding: two texts that differ only in case have one folded form."""
    return text.casefold()[:MAX_LENGTH]


def fold_case_unless_ascii(text: str) -> str | None:
    """What the columns `folded_value` and `folded_id` store: the folded text, or None for ASCII text.

    PostgreSQL's lower() folds ASCII text, and only that, because ids and aliases have the collation "C".
    """
    return None if text.isascii() else fold_case(text)
