"""Text that a terminal can show: control and invisible characters are escaped, because terminals obey them."""

import json
import re
from typing import Final

_UNSAFE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0001-\U000e007f]"
)
"""Control characters, line separators, lone surrogates and format characters, like those that change the direction."""


def printable(text: str, *, lines: bool = False) -> str:
    """The text with unsafe characters escaped as in JSON, like `\u001b`. With `lines` it may have several lines."""
    return _UNSAFE.sub(lambda match: match[0] if lines and match[0] == "\n" else json.dumps(match[0])[1:-1], text)
