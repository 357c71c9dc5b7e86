"""What the terminal says when the server is ready."""

import shlex

from leadvibe.config import Settings
from leadvibe.server.first_start import FirstStart, for_curl, note

EVENT = '{"lead_id": "ada", "event_type": "page_view"}'


def welcome(settings: Settings, url: str, first: FirstStart | None) -> str:
    where = note(settings.data_dir)
    lines = [f"LeadVibe is ready: {url}", ""]
    if first is not None:
        lines += [
            f"First start. Shown once, and kept in {where}:",
            f"  admin       {first.email}  {first.password}",
            f"  credential  {first.client_id}:{first.client_secret}",
            "",
        ]
        identity = f"-u {first.client_id}:{first.client_secret}"
    elif where.exists():
        lines += [f"The first start's admin and credential are in {where}", ""]
        identity = f"-K {shlex.quote(str(for_curl(settings.data_dir)))}"
    else:
        return lines[0]
    lines += [
        "Send an event:",
        f"  curl {identity} {url}/ingest -H 'Content-Type: application/json' -d '{EVENT}'",
        "Watch what happens:",
        f"  curl -N {identity} {url}/stream",
    ]
    return "\n".join(lines)
