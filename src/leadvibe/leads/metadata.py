"""A lead's metadata: free JSON within an event's limits and in its canonical form."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator

from leadvibe.events import metadata


def kept(value: dict[str, Any]) -> dict[str, Any]:
    """What is stored of it; a Problem or ValueError where it can't be."""
    try:
        sent = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        raise ValueError("must be valid Unicode, without lone surrogates") from None
    except ValueError:
        raise ValueError("contains a number that is out of range") from None
    return metadata.read(sent)


def patched(current: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A key that was sent replaces, `null` removes, the others stay."""
    removed = {key for key, value in changes.items() if value is None}
    return kept({key: value for key, value in {**current, **changes}.items() if key not in removed})


Metadata = Annotated[dict[str, Any], AfterValidator(kept)]
