"""Describes the headers that clients send and use."""

from typing import Any, Final

TOTAL: Final = "X-Total-Count"
LINK: Final = "Link"
MERGED_FROM: Final = "X-Merged-From"

TEXT: Final = {"type": "string"}
HEADERS: Final[dict[str, dict[str, Any]]] = {
    TOTAL: {
        "description": "The number of objects in the whole list. Absent where the server doesn't count them.",
        "schema": {"type": "integer", "minimum": 0},
    },
    LINK: {
        "description": "The addresses of the pages `first`, `prev`, `next` and `last` (RFC 8288).",
        "schema": TEXT,
    },
    "Retry-After": {
        "description": "Seconds to wait before the next attempt. Sent with 429 and 503.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "WWW-Authenticate": {"description": "The ways to authenticate.", "schema": TEXT},
    "Preference-Applied": {
        "description": "`return=representation`: the server followed the `Prefer` header.",
        "schema": TEXT,
    },
    "X-OU-ID": {"description": "The id of the active OU.", "schema": TEXT},
    "X-OU-Name": {
        "description": "The name of the active OU; percent-encoded UTF-8 where it is not ASCII.",
        "schema": TEXT,
    },
    MERGED_FROM: {
        "description": "The lead in the request, if it was merged into the one of the answer; percent-encoded UTF-8.",
        "schema": TEXT,
    },
    "Content-Disposition": {"description": "The name to save the file under.", "schema": TEXT},
}

SET_COOKIE: Final[dict[str, str]] = {
    "sign_in_member": "The refresh token, in the HttpOnly cookie `refresh_token`.",
    "refresh_sign_in": "The next refresh token, in the HttpOnly cookie `refresh_token`.",
    "change_password": "The refresh token of the new sign-in, in the HttpOnly cookie `refresh_token`.",
    "sign_out_member": "Removes the cookies `refresh_token` and `activeOu`.",
    "clean_up_cookies": "Removes the cookies of earlier sign-in flows.",
    "set_active_org_unit": "The signed, HttpOnly cookie `activeOu`. A credential gets none.",
}
"""What the cookie of a successful answer is, by operation."""

OF_OPERATIONS: Final[dict[str, tuple[str, ...]]] = {
    "set_active_org_unit": ("X-OU-ID", "X-OU-Name"),
    "export_events": ("Content-Disposition",),
    "list_events": (MERGED_FROM,),
    "list_lead_events": (MERGED_FROM,),
    "list_lead_sessions": (MERGED_FROM,),
    "list_lead_aliases": (MERGED_FROM,),
    "list_orders": (MERGED_FROM,),
    "get_lead_profile": (MERGED_FROM,),
    "get_lead_account": (MERGED_FROM,),
}
OF_STATUSES: Final = {
    "401": ("WWW-Authenticate",),
    "429": ("Retry-After",),
    "503": ("Retry-After",),
    "default": ("Retry-After",),
}


def describe_headers(name: str, operation: dict[str, Any]) -> None:
    """Add the headers of an operation's responses."""
    parameters = {(each["in"], each["name"].lower()) for each in operation.get("parameters", ())}
    for status, response in operation["responses"].items():
        headers: dict[str, dict[str, Any]] = {header: _reference(header) for header in OF_STATUSES.get(status, ())}
        if status < "300":
            headers.update({header: _reference(header) for header in OF_OPERATIONS.get(name, ())})
            if {("query", "page"), ("query", "limit")} <= parameters:
                headers.update({TOTAL: _reference(TOTAL), LINK: _reference(LINK)})
            if status == "200" and "204" in operation["responses"]:
                headers["Preference-Applied"] = _reference("Preference-Applied")
            if name in SET_COOKIE:
                headers["Set-Cookie"] = {"description": SET_COOKIE[name], "schema": TEXT}
        if headers:
            response["headers"] = {**response.get("headers", {}), **headers}


def describe_prefer(operation: dict[str, Any]) -> None:
    """Describe the request header `Prefer` (RFC 7240), which FastAPI knows as a list of texts, as one text."""
    returns = "204" in operation["responses"]
    meaning = (
        "`return=representation`: answer 200 with the changed object instead of 204."
        if returns
        else "`count=exact`: count a long list, too, for `X-Total-Count`."
    )
    for parameter in operation.get("parameters", ()):
        if parameter["name"] == "prefer":
            parameter |= {"name": "Prefer", "description": meaning, "schema": TEXT}
            parameter["example"] = "return=representation" if returns else "count=exact"


def _reference(header: str) -> dict[str, Any]:
    return {"$ref": f"#/components/headers/{header}"}
