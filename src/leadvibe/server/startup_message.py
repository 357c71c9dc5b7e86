"""The message on the terminal when the server is ready."""

import shlex
import sys

from leadvibe.config import Settings
from leadvibe.server.first_start import FirstStart, curl_config_file, first_start_file

EVENT = '{"lead_id": "ada", "event_type": "page_view"}'


def startup_message(settings: Settings, url: str, first: FirstStart | None) -> str:
    """`first` is given on the first start only. Its secrets are shown once, and only on a terminal.

    Elsewhere the output is probably a log, which is stored and read by others.
    """
    file = first_start_file(settings.data_dir)
    lines = [f"LeadVibe is ready: {url}", ""]
    if first is not None and sys.stdout.isatty():
        lines += [
            f"First start. These secrets are shown once and saved in {file}:",
            f"  admin       {first.email}  {first.password}",
            f"  credential  {first.client_id}:{first.client_secret}",
            "",
        ]
        credential = f"-u {first.client_id}:{first.client_secret}"
    elif first is not None or file.exists():
        lines += [f"The admin and the credential of the first start are in {file}", ""]
        credential = f"-K {shlex.quote(str(curl_config_file(settings.data_dir)))}"
    else:
        return lines[0]
    lines += [
        "Send an event:",
        f"  curl {credential} {url}/ingest -H 'Content-Type: application/json' -d '{EVENT}'",
        "Follow the stream:",
        f"  curl -N {credential} {url}/stream",
    ]
    return "\n".join(lines)
