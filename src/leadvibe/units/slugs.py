"""Slugs: names in lower case with hyphens between the words."""

import re


def slug_of(name: str) -> str:
    """The slug of a name; empty if the name contains no letter or digit."""
    return re.sub(r"[\W_]+", "-", name.lower()).strip("-")
