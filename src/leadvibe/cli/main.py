"""The command `leadvibe`: dispatches to its subcommands and reports their errors."""

import sys
from importlib import import_module

import typer
from pydantic import ValidationError

from leadvibe.core.command_error import CommandError
from leadvibe.core.printable import printable

COMMANDS = {
    "serve": "leadvibe.cli.serve:serve",
    "demo": "leadvibe.cli.serve:demo",
    "api": "leadvibe.cli.processes:api",
    "worker": "leadvibe.cli.processes:worker",
    "migrate": "leadvibe.cli.migrate:migrate",
    "import": "leadvibe.cli.import_events:import_events",
    "export": "leadvibe.cli.export_events:export_events",
    "leads": "leadvibe.cli.leads:leads",
    "env": "leadvibe.cli.info:env",
    "version": "leadvibe.cli.info:version",
}
HIDDEN = {"visitors": "leadvibe.cli.visitors:visitors"}


def main() -> None:
    """Run the command in the arguments, and print errors as messages."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    try:
        _app(name)()
    except CommandError as error:
        _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except ValidationError as invalid:
        _fail("\n".join(f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in invalid.errors()))


def _app(requested: str) -> typer.Typer:
    """Only the requested command's module is imported, which keeps the start fast; for help, all are."""
    app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    app.callback()(_leadvibe)
    for name, location in (COMMANDS | HIDDEN).items():
        if requested == name or (requested not in COMMANDS | HIDDEN and name not in HIDDEN):
            module, _, function = location.partition(":")
            command = getattr(import_module(module), function)
            if isinstance(command, typer.Typer):
                app.add_typer(command, name=name)
            else:
                app.command(name)(command)
    return app


def _leadvibe() -> None:
    """LeadVibe Server scores leads exactly and explains every point."""


def _fail(message: str, exit_code: int = 1) -> None:
    typer.echo(printable(f"leadvibe: {message}", lines=True), err=True)
    sys.exit(exit_code)
