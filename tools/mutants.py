"""Mutation testing of the engine: changes one operator or number at a time, and reports changes that no test detects.

The mutations come from cosmic-ray. Each mutant is tested in a fork of this process, which has already imported pytest
and hypothesis. That is several times faster than cosmic-ray's own runner, which starts a new interpreter for each
mutant. The mutants are made in a copy, .mutants/, and hypothesis uses the same examples in every run.

Mutants that behave like the original are listed as equivalent, each with the reason. The run fails on any other
survivor, and on listed mutants that don't survive.
"""

# cosmic-ray has no types.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnusedImport=false

# ruff: noqa: INP001, T201 - a script that prints its results

import argparse
import compileall
import difflib
import json
import os
import re
import resource
import shutil
import sys
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import hypothesis.strategies  # noqa: F401 - imported before the forks
import msgspec  # noqa: F401 - the same
import pytest
from cosmic_ray import plugins
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code

ROOT: Final = Path(__file__).parents[1]
WORKSPACE: Final = ROOT / ".mutants"
SURVIVORS: Final = WORKSPACE / "survivors.json"
MAX_MEMORY_BYTES: Final = 4 * 2**30
LONG_AGO: Final = 946_684_800
"""The modification time of the unchanged files, in seconds since 1970, so that the cached bytecode of a changed file is
never valid."""


@dataclass(frozen=True, slots=True)
class Settings:
    source: str
    """The directory with the modules to change."""
    copies: list[str]
    """Other files and directories that the tests need."""
    tests: list[str]
    """Glob patterns, one for each group of test files. A group runs only if the one before it passes."""
    equivalent: str
    operators: list[str]
    """Regular expressions; an operator is used if one of them matches its whole name."""
    max_cpu_seconds: int


@dataclass(frozen=True, slots=True)
class Mutant:
    module: str
    operator: str
    occurrence: int
    before: str
    after: str

    @property
    def key(self) -> tuple[str, str, str]:
        return self.module, self.before, self.after

    def __str__(self) -> str:
        return f"{self.module}: {self.operator} {self.occurrence}\n  - {self.before}\n  + {self.after}"


def main() -> None:
    arguments = _arguments()
    settings = Settings(**tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mutants"])
    again = {Mutant(**each) for each in json.loads(SURVIVORS.read_text())} if arguments.again else None
    _prepare(settings)
    _pytest("--markers")  # loads pytest's own plugins before the forks
    if _test(settings):
        sys.exit("The tests fail without any change.")
    # Python would use the bytecode of one mutant for the next one if their size and modification time are the same.
    sys.dont_write_bytecode = True
    survivors: list[Mutant] = []
    tested = 0
    for mutant, code in _mutants(settings, arguments.modules):
        if again is not None and mutant not in again:
            continue
        tested += 1
        if _survives(settings, mutant, code):
            survivors.append(mutant)
            print(mutant, flush=True)
        if tested % 50 == 0:
            print(f"{tested} mutants so far, {len(survivors)} survived", flush=True)
    SURVIVORS.write_text(json.dumps([asdict(mutant) for mutant in survivors], indent=1))
    sys.exit(_judge(settings, survivors, tested, partial=bool(arguments.modules or arguments.again)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", help="names of modules, such as surge.py; by default all of them")
    parser.add_argument("--again", action="store_true", help="only the mutants that survived the last run")
    return parser.parse_args()


def _prepare(settings: Settings) -> None:
    """Copy the files, and cache their bytecode."""
    for part in ("src", "tests"):
        shutil.rmtree(WORKSPACE / part, ignore_errors=True)
    for name in (settings.source, *settings.copies):
        target = WORKSPACE / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(ROOT / name, target)
    for path in WORKSPACE.rglob("*.py"):
        os.utime(path, (LONG_AGO, LONG_AGO))
    compileall.compile_dir(WORKSPACE / "src", quiet=1)
    sys.path[:0] = [str(WORKSPACE / "src"), str(WORKSPACE / "tests")]


def _mutants(settings: Settings, modules: Sequence[str]) -> Iterator[tuple[Mutant, str]]:
    chosen = re.compile("|".join(settings.operators))
    operators = [name for name in sorted(plugins.operator_names()) if chosen.fullmatch(name.removeprefix("core/"))]
    for path in sorted((ROOT / settings.source).glob("*.py")):
        if modules and path.name not in modules:
            continue
        source = path.read_text()
        nodes = list(ast_nodes(get_ast(source)))
        for name in operators:
            operator = plugins.get_operator(name)()
            for occurrence in range(sum(len(list(operator.mutation_positions(node))) for node in nodes)):
                code = mutate_code(source, operator, occurrence) or source
                yield Mutant(path.name, name.removeprefix("core/"), occurrence, *_changed_lines(source, code)), code


def _changed_lines(source: str, code: str) -> tuple[str, str]:
    lines = list(difflib.unified_diff(source.splitlines(), code.splitlines(), n=0, lineterm=""))[2:]
    before, after = ([line[1:].strip() for line in lines if line.startswith(sign)] for sign in "-+")
    return "\n".join(before), "\n".join(after)


def _survives(settings: Settings, mutant: Mutant, code: str) -> bool:
    path = WORKSPACE / settings.source / mutant.module
    source = path.read_text()
    path.write_text(code)
    try:
        return _test(settings) == 0
    finally:
        path.write_text(source)
        os.utime(path, (LONG_AGO, LONG_AGO))


def _test(settings: Settings) -> int:
    """Run the tests group by group; 0 if all of them pass."""
    groups = ([str(path) for path in sorted(WORKSPACE.glob(pattern))] for pattern in settings.tests)
    return next((status for group in groups if (status := _test_in_fork(settings, group))), 0)


def _test_in_fork(settings: Settings, files: Sequence[str]) -> int:
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    status = 1
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (settings.max_cpu_seconds, settings.max_cpu_seconds))
        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
        status = _pytest(*files)
    finally:
        os._exit(status)


def _pytest(*arguments: str) -> int:
    """Run pytest in this process, as fast as possible and without output."""
    os.chdir(WORKSPACE)
    os.environ.update(HYPOTHESIS_PROFILE="mutants", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    options = ["-c", os.devnull, "--rootdir", ".", "--import-mode=importlib", "--assert=plain"]
    with Path(os.devnull).open("w") as null, redirect_stdout(null), redirect_stderr(null):
        return int(pytest.main([*options, "-p", "no:cacheprovider", "-qx", *arguments]))


def _judge(settings: Settings, survivors: Sequence[Mutant], tested: int, *, partial: bool) -> int:
    """Compare the survivors with the list of equivalent mutants; 0 if they agree."""
    listed = _equivalent(ROOT / settings.equivalent)
    unlisted = [mutant for mutant in survivors if mutant.key not in listed]
    stale = [] if partial else sorted(listed - {mutant.key for mutant in survivors})
    print(f"\n{tested} mutants, {len(survivors)} survived, {len(unlisted)} of them aren't listed as equivalent.")
    for mutant in unlisted:
        print(mutant)
    for module, before, after in stale:
        print(f"Listed in {settings.equivalent}, but doesn't survive:\n{module}\n  - {before}\n  + {after}")
    return bool(unlisted or stale)


def _equivalent(path: Path) -> set[tuple[str, str, str]]:
    entries: list[dict[str, Any]] = tomllib.loads(path.read_text()).get("mutant", [])
    return {(entry["module"], entry["before"], after) for entry in entries for after in entry["after"]}


if __name__ == "__main__":
    main()
