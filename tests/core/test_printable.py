"""Text for terminals."""

import pytest

from leadvibe.core.printable import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "\\u001b[31mred"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\x9b31m\x7f", "\\u009b31m\\u007f"),
        ("evil\u202etxt.exe", "evil\\u202etxt.exe"),
        ("\U000e0041", "\\udb40\\udc41"),
        ("a\ud800", "a\\ud800"),
        ("Zoë 東京 👩 ñ", "Zoë 東京 👩 ñ"),
    ],
)
def test_control_and_invisible_characters_are_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_lines_can_be_kept() -> None:
    assert printable("a\nb\x1b", lines=True) == "a\nb\\u001b"
