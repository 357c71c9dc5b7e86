"""The command `leadvibe`: a table of what it can do."""

import sys
from importlib import import_module

import typer
from pydantic import ValidationError

from leadvibe.core.command_error import CommandError

COMMANDS = {
    "serve": "leadvibe.server.supervisor:serve",
    "demo": "leadvibe.server.supervisor:demo",
    "api": "leadvibe.cli.commands:api",
    "worker": "leadvibe.cli.commands:worker",
    "migrate": "leadvibe.cli.commands:migrate",
    "import": "leadvibe.cli.import_events:import_events",
    "export": "leadvibe.cli.export_events:export_events",
    "leads": "leadvibe.cli.leads:leads",
    "env": "leadvibe.cli.commands:env",
    "version": "leadvibe.cli.commands:version",
}
HIDDEN = {"visitors": "leadvibe.cli.demo:visitors"}


def main() -> None:
    """Run the command that the arguments name, and say in words why it can't."""
    asked = sys.argv[1] if len(sys.argv) > 1 else ""
    try:
        _commands(asked)()
    except CommandError as refused:
        _fail(str(refused), refused.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except ValidationError as invalid:
        _fail("\n".join(f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in invalid.errors()))


def _commands(asked: str) -> typer.Typer:
    """A command's module is imported when the command is asked for: the others' would only make it slow."""
    table = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    table.callback()(_about)
    for name, where in (COMMANDS | HIDDEN).items():
        if asked == name or (asked not in COMMANDS | HIDDEN and name not in HIDDEN):
            module, _, function = where.partition(":")
            command = getattr(import_module(module), function)
            if isinstance(command, typer.Typer):
                table.add_typer(command, name=name)
            else:
                table.command(name)(command)
    return table


def _about() -> None:
    """LeadVibe Server scores leads, exactly, and explains every point."""


def _fail(words: str, exit_code: int = 1) -> None:
    typer.echo(f"leadvibe: {words}", err=True)
    sys.exit(exit_code)
