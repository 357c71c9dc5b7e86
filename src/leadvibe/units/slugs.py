"""A name's form in addresses: lower case, hyphens between its words."""

import re


def slug_of(name: str) -> str:
    """Empty where the name has no letter or digit."""
    return re.sub(r"[\W_]+", "-", name.lower()).strip("-")
