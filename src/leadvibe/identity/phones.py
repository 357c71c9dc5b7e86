"""Checks phone numbers and gives them the form in which they are compared."""

import re
from functools import lru_cache
from typing import Final, Literal, NamedTuple
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

MIN_SEARCHED_DIGITS: Final = 3
"""A text with fewer digits is not searched as a phone number."""
AFTER_COUNTRY_CODE: Final = rf"^\+({'|'.join(map(str, sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)))})"
"""A regular expression for the start of an international number. No country code is the start of another one."""


class PhonePart(NamedTuple):
    """What a phone number contains, in the form in which it is stored."""

    text: str
    place: Literal["start", "anywhere", "after country code"]


def phone_parts(text: str, region: str | None) -> list[PhonePart]:
    """What to look for in phone numbers, if a person wrote this part of one; nothing if it can't be one.

    A local number is also looked for in its international form: in the country of the region, or else in any.
    """
    text = "".join(map(_ascii, text))
    number, digits = _with_plus(text), phonenumbers.normalize_digits_only(text)
    if len(digits) < MIN_SEARCHED_DIGITS or not _NUMBER.fullmatch(number):
        return []
    if number.startswith("+") and not (international := phonenumbers.normalize_digits_only(number)).startswith("0"):
        return [PhonePart(f"+{international}", "start")]
    national = digits.removeprefix(_national_prefix(region))
    parts = [PhonePart(digits, "anywhere")]
    if region is not None and national != digits:
        parts.append(PhonePart(f"+{phonenumbers.country_code_for_region(region)}{national}", "start"))
    elif national != digits and len(national) >= MIN_SEARCHED_DIGITS:
        parts.append(PhonePart(national, "after country code"))
    return parts


def _national_prefix(region: str | None) -> str:
    """What local numbers start with instead of the country code; empty if there is no such prefix."""
    return "0" if region is None else phonenumbers.ndd_prefix_for_region(region, strip_non_digits=True) or ""


@lru_cache(CACHE_ENTRIES)
def normalize_phone(text: str, region: str | None) -> str:
    """The number as `+` and its digits. A local number without a region has digits only.

    `region` is the country of local numbers. Raises ValueError if the text is not exactly one number.
    """
    text = "".join(map(_ascii, text))
    if _SPREADSHEET_NUMBER.fullmatch(text):
        raise ValueError("was changed by a spreadsheet; send the phone number as text, like +4915112345678")
    number = _with_plus(_EXTENSION.sub("", text.removeprefix("tel:")))
    if not _NUMBER.fullmatch(number):
        raise ValueError("must be one phone number, like +49 151 12345678")
    digits = phonenumbers.normalize_digits_only(number)
    value = _international(number, digits, region) if number.startswith("+") or region else digits
    if len(digits) < MIN_DIGITS or not MIN_DIGITS <= len(value.removeprefix("+")) <= MAX_DIGITS:
        raise ValueError(f"must have {MIN_DIGITS} to {MAX_DIGITS} digits")
    return value


def _with_plus(number: str) -> str:
    """The number without `(0)`, and with `+` for `00`."""
    number = number.replace("(0)", "").strip()
    if _INTERNATIONAL_PREFIX.match(number):
        number = _INTERNATIONAL_PREFIX.sub("+", number, count=1)
    return number.replace("(+", "+", 1) if number.startswith("(+") else number


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
