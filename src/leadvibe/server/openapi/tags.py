"""The tags of the description: one per resource, in the order in which a newcomer meets them."""

from typing import Any, Final

TAGS: Final[dict[str, str]] = {
    "Events": "Send events, list and export them, delete them.",
    "Event types": "The event types, channels and metadata properties that the OU has received.",
    "Leads": "The people or companies that events belong to: their metadata, aliases and deletion.",
    "Lead imports": "Import leads from a CSV file in two steps: preview, then start.",
    "Lead merges": "Join several leads into one.",
    "Watch list": "The leads that a member follows.",
    "Activity": "Everything that happened around one lead, in one list.",
    "Scores": "Read, explain, adjust and reset the scores of leads.",
    "Orders": "What leads bought. Orders are never scored.",
    "Rulesets": "Sets of scoring rules; each keeps its own score for every lead.",
    "Rules": "How many points an event of a type is worth.",
    "Surge policy": "Multiplies the points of leads that are active in quick succession.",
    "Decays": "Take points from leads that are inactive.",
    "Filters": "Suppress events that arrive faster than a person can act.",
    "Settings": "Settings of the OU and the organization: scoring, and what event types may do.",
    "Rescoring": "Score the stored history again with the current configuration.",
    "Analytics": "Statistics over events and scores, and the organization's usage.",
    "Stream": "Follow new events and score changes as server-sent events.",
    "Jobs": "The state of background jobs.",
    "Failed events": "Events that could not be processed.",
    "Authentication": "Sign in and out, and see who is signed in.",
    "Org units": "Organizational units (OUs), and which one is active.",
    "Org unit members": "Who belongs to an OU, and with which role.",
    "Members": "The people of the organization.",
    "Credentials": "API credentials: how programs authenticate.",
    "Personal tokens": "Tokens with which scripts act as the member who created them.",
    "Service": "Health, readiness, metrics, and this description.",
}
"""Each tag's description, by its name."""

RENAMED: Final[dict[str, str]] = {
    "Admin": "Rescoring",
    "Auth": "Authentication",
    "OUMemberships": "Org unit members",
    "OrgUnits": "Org units",
    "Root": "Service",
    "RuleSets": "Rulesets",
    "Secrets": "Credentials",
    "Surge": "Surge policy",
    "admin": "Failed events",
    "events": "Events",
}
"""The tag that replaces a router's."""

OF_OPERATIONS: Final[dict[str, str]] = {
    "list_event_types": "Event types",
    "list_event_type_properties": "Event types",
    "list_channels": "Event types",
    "preview_lead_import": "Lead imports",
    "start_lead_import": "Lead imports",
    "get_lead_import": "Lead imports",
    "merge_leads": "Lead merges",
    "preview_merge": "Lead merges",
    "list_watched_leads": "Watch list",
    "watch_lead": "Watch list",
    "unwatch_lead": "Watch list",
    "get_lead_activity": "Activity",
    "list_members": "Members",
    "create_member": "Members",
    "update_member": "Members",
    "delete_member": "Members",
    "list_personal_tokens": "Personal tokens",
    "create_personal_token": "Personal tokens",
    "revoke_personal_token": "Personal tokens",
}
"""The tag of operations whose router serves several resources."""


def tag_operation(name: str, operation: dict[str, Any]) -> None:
    """Give an operation the one tag of its resource. KeyError if its router's tag is unknown."""
    tag = OF_OPERATIONS.get(name)
    if tag is None:
        (sent,) = operation["tags"]
        tag = RENAMED.get(sent, sent)
    if tag not in TAGS:
        raise KeyError(f"{name} has the unknown tag {tag!r}: add it to TAGS")
    operation["tags"] = [tag]


def tag_list() -> list[dict[str, str]]:
    """The tags with their descriptions, as OpenAPI lists them."""
    return [{"name": name, "description": description} for name, description in TAGS.items()]
