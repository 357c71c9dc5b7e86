"""Turns what a client sent into an event that can't fail later: everything is checked here, and the field named."""

# Decoded JSON: values whose keys and items nothing types.
# pyright: reportUnknownMemberType=false

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from leadvibe.core.http.problems import Invalid, Problem
from leadvibe.core.http.schemas import check_lead_id, check_line
from leadvibe.core.instants import micros, parse_instant
from leadvibe.identity.aliases import STRENGTH, AliasKind, Identifier, normalize
from leadvibe.ingest import metadata as metadata_form
from leadvibe.ingest.inbox import AcceptedEvent

MOST_ALIASES: Final = 50
LONGEST_CHANNEL: Final = 100
RESERVED: Final = frozenset({"alias_conflict", "lead_merged", "score_reset"})
"""What timelines call things that nobody can send."""

_NO_METADATA = msgspec.Raw(b"{}")
_STRENGTH: Final = {kind: rank for rank, kind in enumerate(STRENGTH)}
_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")
_WRONG_VALUE = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<path>[^`]*)`)?", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<field>[^`]*)`")


class SentAlias(msgspec.Struct):
    alias_kind: AliasKind
    raw_value: str


class SentEvent(msgspec.Struct):
    """An event as clients write it; fields that aren't here are ignored, `unit_id` among them."""

    event_type: str
    lead_id: str | None = None
    aliases: list[SentAlias] | None = None
    alias_kind: AliasKind | None = None
    """With `alias` the older way to give one alias."""
    alias: str | None = None
    timestamp: str | None = None
    metadata: msgspec.Raw = _NO_METADATA
    idempotency_key: str | None = None


_decoder = msgspec.json.Decoder(SentEvent)


def read_event(body: bytes | msgspec.Raw, *, default_key: str | None = None) -> AcceptedEvent:
    """The event that a JSON object describes; `default_key` is its idempotency key where it names none."""
    try:
        sent = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _explain(error, bytes(body)) from None
    return accept(sent, default_key=default_key)


def accept(
    sent: SentEvent,
    *,
    default_key: str | None = None,
    skip_triggers: bool = False,
    alias_fields: Sequence[str] | None = None,
) -> AcceptedEvent:
    """The event, if everything in it is valid; otherwise a Problem that names the field.

    `alias_fields` are the names of the aliases' fields, where they stand in columns of their own.
    """
    event_type = line_of_text("event_type", sent.event_type.strip())
    if event_type in RESERVED:
        raise Invalid.field("event_type", f"{event_type} is what the system itself notes, and is reserved for it")
    aliases = _aliases(sent, alias_fields)
    lead_id = None if sent.lead_id is None else _lead_id(sent.lead_id)
    if lead_id is None and not aliases:
        raise Invalid(
            "lead_id: a lead_id or at least one alias is needed",
            fields={
                "lead_id": "is needed where there are no aliases",
                "aliases": "are needed where there is no lead_id",
            },
        )
    metadata = _metadata(sent, event_type)
    key = default_key if sent.idempotency_key is None else line_of_text("idempotency_key", sent.idempotency_key)
    return AcceptedEvent(
        event_type=event_type,
        lead_id=lead_id,
        aliases=aliases,
        timestamp=None if sent.timestamp is None else _timestamp(sent.timestamp),
        metadata=metadata_form.write(metadata),
        channel=_channel(metadata),
        idempotency_key=key,
        skip_triggers=skip_triggers,
    )


def line_of_text(field: str, value: str) -> str:
    return _checked(field, value, check_line)


def _lead_id(value: str) -> str:
    return _checked("lead_id", value, check_lead_id)


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


def _aliases(sent: SentEvent, fields: Sequence[str] | None) -> list[Identifier]:
    """What the event is known by, the strongest first, each once."""
    if not sent.aliases and sent.alias is sent.alias_kind is None:
        return []
    named: list[tuple[str, AliasKind, str]] = [
        (fields[i] if fields else f"aliases.{i}.raw_value", alias.alias_kind, alias.raw_value)
        for i, alias in enumerate(sent.aliases or ())
    ]
    if sent.alias is not None and sent.alias_kind is not None:
        named.append(("alias", sent.alias_kind, sent.alias))
    elif sent.alias is not None:
        raise Invalid.field("alias_kind", "is needed with alias")
    elif sent.alias_kind is not None:
        raise Invalid.field("alias", "is needed with alias_kind")
    if len(named) > MOST_ALIASES:
        raise Invalid.field("aliases", f"must be at most {MOST_ALIASES}")
    found: dict[tuple[AliasKind, str], Identifier] = {}
    for field, kind, raw_value in named:
        try:
            value = normalize(kind, raw_value)
        except ValueError as error:
            raise Invalid.field(field, str(error)) from None
        found.setdefault((kind, value), Identifier(kind, value, raw_value))
    return sorted(found.values(), key=lambda alias: _STRENGTH[alias.kind])


def _metadata(sent: SentEvent, event_type: str) -> dict[str, Any]:
    raw = bytes(sent.metadata)
    metadata = {} if raw in {b"{}", b"null"} else metadata_form.read(raw)
    if event_type == "DECAY":
        metadata["channel"] = "system"
    return metadata


def _channel(metadata: dict[str, Any]) -> str | None:
    """`metadata.channel` in lower case. An event that names none has none: a guess would show up in reports."""
    sent = metadata.get("channel")
    channel = sent.strip().lower() if isinstance(sent, str) else ""
    return channel if 0 < len(channel) <= LONGEST_CHANNEL else None


def _explain(error: Exception, body: bytes) -> Problem:
    """Say in which field the JSON is wrong; this takes the slow way, since it is rare."""
    if isinstance(error, RecursionError):
        return Invalid.field("body", "is nested too deeply")
    if isinstance(error, msgspec.ValidationError):
        return _wrong_value(str(error))
    try:
        sent = json.loads(body)
    except UnicodeDecodeError:
        return Invalid.field("body", "must be UTF-8")
    except (ValueError, RecursionError):
        return Invalid.field("body", f"must be a JSON object: {error}")
    # The standard library lets lone surrogates through, so it can tell where they are.
    for field in SentEvent.__struct_fields__ if isinstance(sent, dict) else ():
        if _LONE_SURROGATE.search(json.dumps(sent.get(field), ensure_ascii=False)):
            return Invalid.field(field, "must be valid Unicode, without lone surrogates")
    return Invalid.field("body", f"must be a JSON object: {error}")


def _wrong_value(message: str) -> Invalid:
    """In our notation what msgspec says: ``Expected `str`, got `int` - at `$.aliases[0].raw_value` ``."""
    match = _WRONG_VALUE.fullmatch(message)
    what, path = (match["what"], match["path"] or "") if match else (message, "")
    field = re.sub(r"\[(\d+|\.\.\.)\]", r".\1", path).strip(".")
    if missing := _MISSING.fullmatch(what):
        field, what = f"{field}.{missing['field']}".strip("."), "is required"
    elif field.endswith("alias_kind") and what.startswith("Invalid enum value"):
        what = f"{what.removeprefix('Invalid enum value ')} is none of {', '.join(STRENGTH)}"
    return Invalid.field(field or "body", what[:1].lower() + what[1:].replace("`", ""))
