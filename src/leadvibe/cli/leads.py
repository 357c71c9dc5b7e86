"""`leadvibe leads …`: shows and changes the leads of a running server; prints tables, or JSON with --json."""

import json
import time
from collections.abc import Sequence
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from leadvibe.cli.client import Key, Server, Unit, Url
from leadvibe.cli.import_leads import POLL_SECONDS, import_leads
from leadvibe.core.command_error import CommandError
from leadvibe.core.printable import printable
from leadvibe.identity.identifiers import read_lead_reference

EXIT_CODES: Final = (
    "Exit codes: 0 success, 1 the server can't be reached or refused the request, 2 invalid usage, "
    "3 some rows of an import failed, 4 the lead doesn't exist."
)

leads = typer.Typer(no_args_is_help=True, epilog=EXIT_CODES)

AsJson = Annotated[bool, typer.Option("--json", help="Print the server's response as JSON.")]
LeadId = Annotated[str, typer.Argument(help="The lead's id.", show_default=False)]


@leads.callback()
def choose_server(context: typer.Context, url: Url = None, key: Key = None, unit: Unit = None) -> None:
    """List, show, search, import and delete the leads of a running server."""
    context.obj = lambda: Server(url, key, unit)


@leads.command("list")
def list_leads(
    context: typer.Context,
    *,
    page: Annotated[int, typer.Option(min=1)] = 1,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 50,
    min_score: Annotated[int | None, typer.Option()] = None,
    max_score: Annotated[int | None, typer.Option()] = None,
    event_type: Annotated[str | None, typer.Option(help="The type of the last event.")] = None,
    as_json: AsJson = False,
) -> None:
    """List leads, highest score first."""
    filters = {"min_score": min_score, "max_score": max_score, "event_type": event_type}
    response = context.obj().get("/leads", page=page, limit=limit, **filters)
    if as_json:
        _print_json(response)
        return
    columns = ("lead_id", "score", "best_alias", "last_event_type", "last_event_at", "owner_name")
    _print_table(response["leads"], columns)
    Console().print(f"{len(response['leads']):,} of {response['total']:,} leads", highlight=False)


@leads.command("show")
def show_lead(context: typer.Context, lead_id: LeadId, as_json: AsJson = False) -> None:
    """Show a lead with its scores, metadata and aliases."""
    path = _path(lead_id)
    server = context.obj()
    lead = server.get(path) | {"aliases": server.get(f"{path}/aliases")}
    if as_json:
        _print_json(lead)
        return
    table = Table(show_header=False)
    for name in ("lead_id", "score", "merged_into", "owner_name", "account_id", "created_at", "last_event_at"):
        table.add_row(name, _cell(lead[name]))
    for ruleset_id, score in lead["engagement_scores"].items():
        table.add_row(_cell(f"score in {lead['ruleset_names'].get(ruleset_id, ruleset_id)}"), _cell(score))
    for name, value in lead["metadata"].items():
        table.add_row(_cell(f"metadata.{name}"), _cell(value))
    for alias in lead["aliases"]:
        table.add_row(alias["kind"], _cell(alias["value"]))
    Console().print(table)


@leads.command("search")
def search_leads(
    context: typer.Context,
    query: Annotated[str, typer.Argument(help="The beginning of an id, or any part of an alias.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Search leads by id or alias; shows at most ten."""
    response = context.obj().get("/leads/search", q=query)
    if as_json:
        _print_json(response)
    else:
        _print_table(response, ("lead_id", "match_type", "best_alias", "engagement_level", "profile_level"))


leads.command("import")(import_leads)


@leads.command("delete")
def delete_lead(
    context: typer.Context,
    lead_id: LeadId,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask for confirmation.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until all data of the lead is deleted.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete a lead and all its data. This can't be undone."""
    path = _path(lead_id)
    server = context.obj()
    if not yes:
        server.get(path)
        typer.confirm(f"Delete the lead {lead_id} and all its data?", abort=True, err=True)
    answer = server.delete(path)
    status = _wait_for_deletion(server, path) if wait else None
    if as_json:
        _print_json(answer if status is None else answer | {"status": status})
    else:
        typer.echo(f"{answer['message']}: {lead_id}" if status is None else f"Deletion {status}: {lead_id}")
    if status == "failed":
        raise CommandError(
            "The deletion failed: the lead's unprocessed events could not be deleted. See the server's log."
        )


def _wait_for_deletion(server: Server, path: str) -> str:
    while (status := server.get(f"{path}/deletion-status")["status"]) in {"queued", "running"}:
        time.sleep(POLL_SECONDS)
    return status


def _path(lead_id: str) -> str:
    try:
        lead_id = read_lead_reference(lead_id)
    except ValueError as error:
        raise typer.BadParameter(f"LEAD_ID {error}") from None
    return f"/lead/{quote(lead_id, safe='')}"


def _print_json(answer: Any) -> None:
    typer.echo(printable(json.dumps(answer, indent=2, ensure_ascii=False), lines=True))


def _print_table(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> None:
    """Without empty columns and with times to the minute, to fit into most terminals."""
    used = [name for name in columns if name == "lead_id" or any(row[name] is not None for row in rows)]
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in used:
        justify = "right" if name == "score" else "left"
        no_wrap = name == "lead_id" or name.endswith("_at")
        table.add_column(name.replace("_", " "), overflow="fold", justify=justify, no_wrap=no_wrap)
    for row in rows:
        table.add_row(*(_cell(_to_the_minute(row[name]) if name.endswith("_at") else row[name]) for name in used))
    Console().print(table)


def _to_the_minute(instant: str | None) -> str | None:
    return instant and instant[:16].replace("T", " ")


def _cell(value: Any) -> Text:
    """As plain text: rich would interpret markup in a string."""
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return Text(printable(text))
