"""Validates events as clients send them. An accepted event can be stored and scored; an error names the field."""

# Decoded JSON: values whose keys and items nothing types.
# pyright: reportUnknownMemberType=false

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from leadvibe.core.http.problems import Invalid, Problem
from leadvibe.core.http.schemas import check_line
from leadvibe.core.instants import micros, parse_instant
from leadvibe.identity.aliases import STRENGTH, AliasKind, Identifier, normalize
from leadvibe.identity.identifiers import PlaceholderIdentifier, read_id, read_new_lead_id
from leadvibe.ingest import metadata as metadata_form
from leadvibe.ingest.inbox import AcceptedEvent
from leadvibe.ingest.schemas import MAX_ALIASES, SentEvent, StrictEvent

MAX_CHANNEL_LENGTH: Final = 100
RESERVED_TYPES: Final = frozenset({"alias_conflict", "lead_merged", "score_reset"})
"""Event types that only the system uses, for entries of timelines."""

_EMPTY_METADATA = frozenset({b"", b"{}", b"null"})
_STRENGTH: Final = {kind: rank for rank, kind in enumerate(STRENGTH)}
_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")
_MSGSPEC_ERROR = re.compile(r"(?P<message>.*?)(?: - at `\$\.?(?P<path>[^`]*)`)?", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<field>[^`]*)`")


_UNKNOWN_FIELD: Final = "Object contains unknown field"
MAX_UNKNOWN_FIELDS: Final = 20
"""The most unknown fields of an event that warnings name."""
MAX_SHOWN_NAME_LENGTH: Final = 100

_decoder = msgspec.json.Decoder(SentEvent)
_strict_decoder = msgspec.json.Decoder(StrictEvent)
_fields_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Accepted(NamedTuple):
    """A valid event, and warnings about the parts of it that were left out."""

    event: AcceptedEvent
    warnings: list[str]
    """Each names its field."""


def read_event(
    body: bytes | msgspec.Raw,
    *,
    default_key: str | None = None,
    position_key: str | None = None,
    phone_region: str | None = None,
) -> Accepted:
    """Validate a JSON object as an event, and name its unknown fields in the warnings.

    `default_key` is the idempotency key of an event that has none itself. `position_key` is the key of an event that
    has no `event_id` either. `phone_region` is the OU's country of phone numbers without a country code.
    """
    unknown: list[str] = []
    try:
        try:
            sent: SentEvent = _strict_decoder.decode(body)
        except msgspec.ValidationError as error:
            # Unknown fields are rare, so only an event that has them is decoded more than once.
            if not str(error).startswith(_UNKNOWN_FIELD):
                raise
            sent = _decoder.decode(body)
            unknown = _unknown_fields(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _explain(error, bytes(body)) from None
    accepted = accept(sent, default_key=default_key, position_key=position_key, phone_region=phone_region)
    return accepted if not unknown else accepted._replace(warnings=[*unknown, *accepted.warnings])


def _unknown_fields(body: bytes | msgspec.Raw) -> list[str]:
    names = [name for name in _fields_decoder.decode(body) if name not in StrictEvent.__struct_fields__]
    warnings = [
        f"{shown_name(name)}: is not a field of an event; it was ignored" for name in names[:MAX_UNKNOWN_FIELDS]
    ]
    if len(names) > MAX_UNKNOWN_FIELDS:
        warnings.append(f"{len(names) - MAX_UNKNOWN_FIELDS:,} more fields were ignored")
    return warnings


def shown_name(name: str) -> str:
    """A name as messages show it: on one line, and not too long."""
    printable = "".join(character if character.isprintable() else "\ufffd" for character in name)
    return printable if len(printable) <= MAX_SHOWN_NAME_LENGTH else f"{printable[:MAX_SHOWN_NAME_LENGTH]}…"


def accept(
    sent: SentEvent,
    *,
    default_key: str | None = None,
    position_key: str | None = None,
    skip_triggers: bool = False,
    alias_fields: Sequence[str] | None = None,
    phone_region: str | None = None,
) -> Accepted:
    """Validate an event. Raises a Problem that names the field which is not valid.

    The idempotency key is the event's own, else `default_key`, else its `event_id`, else `position_key`.
    `phone_region` is the OU's country of phone numbers without a country code.
    `alias_fields` has the name that errors use for each alias, if the aliases come from columns of a file.
    """
    event_type = line_of_text("event_type", sent.event_type.strip())
    if event_type in RESERVED_TYPES:
        raise Invalid.field("event_type", f"{event_type} is reserved for the system")
    aliases, placeholders = _aliases(sent, alias_fields, phone_region)
    lead_id = None if sent.lead_id is None else _checked("lead_id", sent.lead_id, read_new_lead_id)
    if lead_id is None and not aliases:
        if placeholders:
            raise Invalid("; ".join(f"{field}: {error}" for field, error in placeholders.items()), fields=placeholders)
        raise Invalid(
            "lead_id: lead_id or at least one alias is required",
            fields={
                "lead_id": "is required if there are no aliases",
                "aliases": "must not be empty if there is no lead_id",
            },
        )
    metadata = _metadata(sent, event_type)
    event = AcceptedEvent(
        event_type=event_type,
        lead_id=lead_id,
        aliases=aliases,
        timestamp=None if sent.timestamp is None else _timestamp(sent.timestamp),
        metadata=metadata_form.write(metadata),
        channel=_channel(metadata),
        idempotency_key=_key(sent, default_key, position_key),
        skip_triggers=skip_triggers,
    )
    return Accepted(event, [f"{field}: {error}; it was left out" for field, error in placeholders.items()])


def _key(sent: SentEvent, default_key: str | None, position_key: str | None) -> str | None:
    if sent.idempotency_key is not None:
        return read_key("idempotency_key", sent.idempotency_key)
    if default_key is not None:
        return default_key
    if event_id := str("" if sent.event_id is None else sent.event_id).strip():
        return read_key("event_id", event_id)
    return position_key


def line_of_text(field: str, value: str) -> str:
    return _checked(field, value, check_line)


def read_key(field: str, value: str) -> str:
    """The clean form of an idempotency key."""
    return _checked(field, value, read_id)


def _checked(field: str, value: str, check: Callable[[str], str]) -> str:
    try:
        return check(value)
    except ValueError as error:
        raise Invalid.field(field, str(error)) from None


def _timestamp(value: str) -> int:
    try:
        return micros(parse_instant(value))
    except ValueError as error:
        raise Invalid.field("timestamp", str(error)) from None


def _aliases(
    sent: SentEvent, fields: Sequence[str] | None, phone_region: str | None
) -> tuple[list[Identifier], dict[str, str]]:
    """The distinct aliases of the event, the strongest first, and the placeholders among them by field."""
    placeholders: dict[str, str] = {}
    if not sent.aliases and sent.alias is sent.alias_kind is None:
        return [], placeholders
    sent_aliases: list[tuple[str, AliasKind, str]] = [
        (fields[i] if fields else f"aliases.{i}.raw_value", alias.alias_kind, alias.raw_value)
        for i, alias in enumerate(sent.aliases or ())
    ]
    if sent.alias is not None and sent.alias_kind is not None:
        sent_aliases.append(("alias", sent.alias_kind, sent.alias))
    elif sent.alias is not None:
        raise Invalid.field("alias_kind", "is required together with alias")
    elif sent.alias_kind is not None:
        raise Invalid.field("alias", "is required together with alias_kind")
    if len(sent_aliases) > MAX_ALIASES:
        raise Invalid.field("aliases", f"must have at most {MAX_ALIASES} entries")
    distinct: dict[tuple[AliasKind, str], Identifier] = {}
    for field, kind, raw_value in sent_aliases:
        try:
            value = normalize(kind, raw_value, phone_region)
        except PlaceholderIdentifier as placeholder:
            placeholders[field] = str(placeholder)
            continue
        except ValueError as error:
            raise Invalid.field(field, str(error)) from None
        distinct.setdefault((kind, value), Identifier(kind, value, raw_value))
    return sorted(distinct.values(), key=lambda alias: _STRENGTH[alias.kind]), placeholders


def _metadata(sent: SentEvent, event_type: str) -> dict[str, Any]:
    raw = bytes(sent.metadata)
    metadata = {} if raw in _EMPTY_METADATA else metadata_form.read(raw)
    if event_type == "DECAY":
        metadata["channel"] = "system"
    return metadata


def _channel(metadata: dict[str, Any]) -> str | None:
    """`metadata.channel`, else `metadata.source`, in lower case; None if neither is a text of a usable length.

    It is never guessed from anything else, because reports would show the guess.
    """
    for name in ("channel", "source"):
        value = metadata.get(name)
        channel = value.strip().lower() if isinstance(value, str) else ""
        if 0 < len(channel) <= MAX_CHANNEL_LENGTH:
            return channel
    return None


def _explain(error: Exception, body: bytes) -> Problem:
    """Find the field that is not valid. This decodes the body once more, which is slow, but errors are rare."""
    if isinstance(error, RecursionError):
        return Invalid.field("body", "is nested too deeply")
    if isinstance(error, msgspec.ValidationError):
        return _translate(str(error))
    try:
        sent = json.loads(body)
    except UnicodeDecodeError:
        return Invalid.field("body", "must be UTF-8")
    except (ValueError, RecursionError):
        return Invalid.field("body", f"must be a JSON object: {error}")
    # The standard library accepts lone surrogates, so it can find the field that contains them.
    for field in SentEvent.__struct_fields__ if isinstance(sent, dict) else ():
        if _LONE_SURROGATE.search(json.dumps(sent.get(field), ensure_ascii=False)):
            return Invalid.field(field, "must be valid Unicode, without lone surrogates")
    return Invalid.field("body", f"must be a JSON object: {error}")


def _translate(error: str) -> Invalid:
    """Translate an error of msgspec, like ``Expected `str`, got `int` - at `$.aliases[0].raw_value` ``."""
    match = _MSGSPEC_ERROR.fullmatch(error)
    message, path = (match["message"], match["path"] or "") if match else (error, "")
    field = re.sub(r"\[(\d+|\.\.\.)\]", r".\1", path).strip(".")
    if missing := _MISSING.fullmatch(message):
        field, message = f"{field}.{missing['field']}".strip("."), "is required"
    elif field.endswith("alias_kind") and message.startswith("Invalid enum value"):
        message = f"{message.removeprefix('Invalid enum value ')} is not one of {', '.join(STRENGTH)}"
    return Invalid.field(field or "body", message[:1].lower() + message[1:].replace("`", ""))
