"""Checks phone numbers and gives them the form in which they are compared."""

import re
from functools import lru_cache
from typing import Final
from unicodedata import decimal

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat

CACHE_ENTRIES: Final = 8_192
MIN_DIGITS: Final = 5
MAX_DIGITS: Final = 15

_SPREADSHEET_NUMBER: Final = re.compile(r"[+-]?\d+(?:[.,]\d*)?[eE][+-]?\d+|[+-]?\d+[.,]0")
_EXTENSION: Final = re.compile(
    r"(?:;ext=|[\s,;]*(?:extension|extn?|xtn|durchwahl|x|#)[\s.:]*)\d{1,7}#?\Z", re.IGNORECASE
)
_NUMBER: Final = re.compile(r"\+?[\d\s()./\-\u2010-\u2015\u2212\xb7]+")
_INTERNATIONAL_PREFIX: Final = re.compile(r"[\s(]*00")


@lru_cache(CACHE_ENTRIES)
def normalize_phone(text: str, region: str | None) -> str:
    """The number as `+` and its digits. A local number without a region has digits only.

    `region` is the country of local numbers. Raises ValueError if the text is not exactly one number.
    """
    text = "".join(map(_ascii, text))
    if _SPREADSHEET_NUMBER.fullmatch(text):
        raise ValueError("was changed by a spreadsheet; send the phone number as text, like +4915112345678")
    number = _EXTENSION.sub("", text.removeprefix("tel:")).replace("(0)", "").strip()
    if _INTERNATIONAL_PREFIX.match(number):
        number = _INTERNATIONAL_PREFIX.sub("+", number, count=1)
    number = number.replace("(+", "+", 1) if number.startswith("(+") else number
    if not _NUMBER.fullmatch(number):
        raise ValueError("must be one phone number, like +49 151 12345678")
    digits = phonenumbers.normalize_digits_only(number)
    value = _international(number, digits, region) if number.startswith("+") or region else digits
    if len(digits) < MIN_DIGITS or not MIN_DIGITS <= len(value.removeprefix("+")) <= MAX_DIGITS:
        raise ValueError(f"must have {MIN_DIGITS} to {MAX_DIGITS} digits")
    return value


def _ascii(character: str) -> str:
    """A digit of any script as 0 to 9, and a full-width sign as the usual one."""
    if "\uff01" <= character <= "\uff5e":
        return chr(ord(character) - 0xFEE0)
    return str(decimal(character, character))


def _international(number: str, digits: str, region: str | None) -> str:
    if number.startswith("+") and digits.startswith("0"):
        raise ValueError("must have a country code after the + or 00")
    try:
        parsed = phonenumbers.parse(number, region)
    except NumberParseException as error:
        if error.error_type == NumberParseException.INVALID_COUNTRY_CODE and number.startswith("+"):
            return f"+{digits}"  # a country code that the library doesn't know yet
        raise ValueError(f"must have {MIN_DIGITS} to {MAX_DIGITS} digits") from None
    return phonenumbers.format_number(parsed, PhoneNumberFormat.E164)
