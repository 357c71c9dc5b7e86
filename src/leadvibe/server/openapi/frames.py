"""Describes the events of the stream, from the types that write them."""

from typing import Any, Final

import msgspec

from leadvibe.core.stream.frames import ResyncFrame
from leadvibe.pipeline.frames import NewEventFrame, ScoreUpdateFrame, SurgeFrame

FRAMES: Final[tuple[type[msgspec.Struct], ...]] = (NewEventFrame, ScoreUpdateFrame, SurgeFrame, ResyncFrame)
"""Everything that `GET /stream` sends."""

NAME: Final = "StreamFrame"
TEMPLATE: Final = "#/components/schemas/{name}"


def frame_schemas() -> dict[str, Any]:
    """The schemas of all frames, and `StreamFrame`: any of them, told apart by `type`."""
    references, schemas = msgspec.json.schema_components(FRAMES, ref_template=TEMPLATE)
    tags = {
        str(frame.__struct_config__.tag): reference["$ref"] for frame, reference in zip(FRAMES, references, strict=True)
    }
    schemas[NAME] = {
        "title": NAME,
        "description": "The `data` of one server-sent event. Its `event` is the same as `type`.",
        "oneOf": list(references),
        "discriminator": {"propertyName": "type", "mapping": tags},
    }
    return schemas


def describe_stream(operation: dict[str, Any]) -> None:
    """Reference the frames from the response of `GET /stream`."""
    content = operation["responses"]["200"]["content"]
    content["text/event-stream"] = {"schema": {"$ref": TEMPLATE.format(name=NAME)}}
